"""How the components of a process get each other, in this process or by calls of another one."""
