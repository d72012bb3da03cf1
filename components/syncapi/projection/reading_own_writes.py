"""What readers wait for before they read: all that was written before they asked."""

from components.syncapi.memory.freshness import Freshness, KnownTopic, MomentaryTopic
from components.syncapi.projection.consumers import ProjectedStreams
from logs.log import Log


def freshness_of(log: Log, projection: ProjectedStreams, timeout_s: float) -> Freshness:
    """Return what knows how far the topics of all streams are known."""
    projected = {topic.name: topic for topic in projection.topics}
    topics: list[KnownTopic] = [
        projected.get(stream.topic.name) or MomentaryTopic(stream.topic.name, stream.progress)
        for stream in projection.streams
    ]
    of_rooms = [
        topic
        for topic, stream in zip(topics, projection.streams, strict=True)
        if stream.shows_rooms
    ]
    return Freshness(log, topics, of_rooms=of_rooms, timeout_s=timeout_s)
