"""How many connections a server process may have."""

import resource

from deploy.process import raise_file_limit


def test_a_process_takes_all_the_files_that_it_may_have() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[0], 512), before[1]))
    try:
        raise_file_limit()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert soft == min(hard, 65_536) or hard == resource.RLIM_INFINITY
        assert soft > 512
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
