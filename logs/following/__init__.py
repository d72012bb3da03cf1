"""Memory that follows what a topic's consumers have projected, in whichever process they are.

For a component whose replicas share the partitions of a topic, and each of which keeps in memory
what was projected of all of them: its own commits at once, those of others read beside them and
learned when the database shows them projected.
"""
