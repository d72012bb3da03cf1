"""A snapshot of room state: an immutable map (type, state key) → event ID, stored as a hash trie.

A snapshot is named by the hash of its root node; nodes are named by the hash of their content,
so that equal states have equal names, whichever way they came about. One change writes the nodes
on one path: for 10,000 entries four branches of 8 names and one leaf, about 1 KB.

The path of an entry is the hash of its key, three bits a level. A subtree of at most
`LEAF_ENTRIES` entries is one leaf, always: that makes the shape a function of the content.
"""

from collections.abc import Collection, Iterator, Mapping
from hashlib import blake2b
from typing import Final, Protocol

import msgspec

from matrix.identifiers import EventID
from matrix.state_keys import StateKey

NodeName = bytes
Leaf = dict[StateKey, EventID]
Branch = tuple[NodeName | None, ...]
Node = Leaf | Branch

LEAF_ENTRIES: Final = 6
_BITS: Final = 3
_FANOUT: Final = 1 << _BITS
_DEPTH: Final = 21
_NAME_BYTES: Final = 20
_LEAF: Final = b"L"
_BRANCH: Final = b"B"
_EMPTY_LEAF: Final[Leaf] = {}

EMPTY: Final[NodeName] = b""
"""The name of the snapshot without entries, which is not stored."""


class NodeSource(Protocol):
    """Where nodes are read."""

    def get(self, name: NodeName) -> Node:
        """Return a node; one that is named somewhere is always there."""
        ...

    def get_many(self, names: Collection[NodeName]) -> Mapping[NodeName, Node]:
        """Return these nodes, with few round trips."""
        ...


class NodeStore(NodeSource, Protocol):
    """Where nodes are kept."""

    def put(self, name: NodeName, node: Node, encoded: bytes) -> None:
        """Keep a node; putting one that is there already changes nothing."""
        ...


def decode_node(encoded: bytes) -> Node:
    """Return the node of its stored form."""
    if encoded[:1] == _LEAF:
        entries = _LEAF_DECODER.decode(encoded[1:])
        return {(kind, state_key): EventID(event_id) for kind, state_key, event_id in entries}
    bitmap = encoded[1]
    children: list[NodeName | None] = []
    offset = 2
    for slot in range(_FANOUT):
        if bitmap >> slot & 1:
            children.append(encoded[offset : offset + _NAME_BYTES])
            offset += _NAME_BYTES
        else:
            children.append(None)
    return tuple(children)


_LEAF_DECODER: Final = msgspec.msgpack.Decoder(list[tuple[str, str, str]])
_LEAF_ENCODER: Final = msgspec.msgpack.Encoder()


def _encode_node(node: Node) -> bytes:
    if isinstance(node, dict):
        return _LEAF + _LEAF_ENCODER.encode([(*key, node[key]) for key in sorted(node)])
    bitmap = sum(1 << slot for slot, child in enumerate(node) if child is not None)
    return b"".join((_BRANCH, bytes((bitmap,)), *(child for child in node if child is not None)))


def _path(key: StateKey) -> int:
    return int.from_bytes(blake2b(f"{key[0]}\0{key[1]}".encode(), digest_size=8).digest(), "big")


def _slot(path: int, depth: int) -> int:
    return path >> (64 - _BITS * (depth + 1)) & (_FANOUT - 1)


class SnapshotReader:
    """Reads snapshots, over some source of nodes."""

    def __init__(self, nodes: NodeSource) -> None:
        self._nodes = nodes

    def lookup(self, snapshot: NodeName, key: StateKey) -> EventID | None:
        """Return the event at a key; `None` where the state has none."""
        if snapshot == EMPTY:
            return None
        path = _path(key)
        node = self._nodes.get(snapshot)
        depth = 0
        while not isinstance(node, dict):
            child = node[_slot(path, depth)]
            if child is None:
                return None
            node = self._nodes.get(child)
            depth += 1
        return node.get(key)

    def items(self, snapshot: NodeName) -> dict[StateKey, EventID]:
        """Return all entries, loading the trie level by level."""
        entries: dict[StateKey, EventID] = {}
        level: list[NodeName] = [snapshot] if snapshot else []
        while level:
            nodes = self._nodes.get_many(level)
            below: list[NodeName] = []
            for name in level:
                node = nodes[name]
                if isinstance(node, dict):
                    entries.update(node)
                else:
                    below.extend(child for child in node if child is not None)
            level = below
        return entries

    def difference(
        self, before: NodeName, after: NodeName
    ) -> dict[StateKey, tuple[EventID | None, EventID | None]]:
        """Return the keys whose event differs, with both events, loading both level by level.

        Equal subtrees are skipped.
        """
        changes: dict[StateKey, tuple[EventID | None, EventID | None]] = {}
        level: list[tuple[NodeName, NodeName]] = [(before, after)] if before != after else []
        while level:
            nodes = self._nodes.get_many({name for pair in level for name in pair if name})
            below: list[tuple[NodeName, NodeName]] = []
            for old_name, new_name in level:
                old = nodes[old_name] if old_name else _EMPTY_LEAF
                new = nodes[new_name] if new_name else _EMPTY_LEAF
                if isinstance(old, tuple) and isinstance(new, tuple):
                    pairs = zip(old, new, strict=True)
                    below.extend((one or EMPTY, two or EMPTY) for one, two in pairs if one != two)
                    continue
                old_entries = old if isinstance(old, dict) else self.items(old_name)
                new_entries = new if isinstance(new, dict) else self.items(new_name)
                _compare(old_entries, new_entries, changes)
            level = below
        return changes


def _compare(
    before: Leaf, after: Leaf, changes: dict[StateKey, tuple[EventID | None, EventID | None]]
) -> None:
    for key in before.keys() | after.keys():
        pair = (before.get(key), after.get(key))
        if pair[0] != pair[1]:
            changes[key] = pair


class SnapshotWriter(SnapshotReader):
    """Makes new snapshots from others, and reads them."""

    def __init__(self, nodes: NodeStore) -> None:
        super().__init__(nodes)
        self._store = nodes

    def assign(self, snapshot: NodeName, key: StateKey, event_id: EventID | None) -> NodeName:
        """Return the snapshot in which `key` has this event, or none."""
        if event_id is None:
            return self._remove(snapshot, key, _path(key), 0) or EMPTY
        return self._assign(snapshot, key, event_id, _path(key), 0)

    def of(self, entries: Mapping[StateKey, EventID]) -> NodeName:
        """Return the snapshot with exactly these entries."""
        return self._build(dict(entries), 0) if entries else EMPTY

    def _put(self, node: Node) -> NodeName:
        encoded = _encode_node(node)
        name = blake2b(encoded, digest_size=_NAME_BYTES).digest()
        self._store.put(name, node, encoded)
        return name

    def _build(self, entries: Leaf, depth: int) -> NodeName:
        if len(entries) <= LEAF_ENTRIES or depth == _DEPTH:
            return self._put(entries)
        slots: list[Leaf] = [{} for _ in range(_FANOUT)]
        for key, event_id in entries.items():
            slots[_slot(_path(key), depth)][key] = event_id
        return self._put(tuple(self._build(slot, depth + 1) if slot else None for slot in slots))

    def _assign(
        self, name: NodeName | None, key: StateKey, event_id: EventID, path: int, depth: int
    ) -> NodeName:
        if not name:
            return self._put({key: event_id})
        node = self._nodes.get(name)
        if isinstance(node, dict):
            if node.get(key) == event_id:
                return name
            return self._build({**node, key: event_id}, depth)
        slot = _slot(path, depth)
        child = self._assign(node[slot], key, event_id, path, depth + 1)
        return name if child == node[slot] else self._put(_with(node, slot, child))

    def _remove(
        self, name: NodeName | None, key: StateKey, path: int, depth: int
    ) -> NodeName | None:
        if not name:
            return None
        node = self._nodes.get(name)
        if isinstance(node, dict):
            rest = {other: event_id for other, event_id in node.items() if other != key}
            return name if len(rest) == len(node) else self._put(rest) if rest else None
        slot = _slot(path, depth)
        child = self._remove(node[slot], key, path, depth + 1)
        if child == node[slot]:
            return name
        branch = _with(node, slot, child)
        small = self._as_leaf(branch)
        return self._put(branch if small is None else small)

    def _as_leaf(self, branch: Branch) -> Leaf | None:
        entries: Leaf = {}
        for child in _children(branch):
            node = self._nodes.get(child)
            if not isinstance(node, dict) or len(entries) + len(node) > LEAF_ENTRIES:
                return None
            entries.update(node)
        return entries


def _with(branch: Branch, slot: int, child: NodeName | None) -> Branch:
    return (*branch[:slot], child, *branch[slot + 1 :])


def _children(branch: Branch) -> Iterator[NodeName]:
    return (child for child in branch if child is not None)
