"""What runs and is watched of the components of a process."""

from base.tasks import Tasks
from deploy.ground import Ground
from deploy.observing import Observing
from deploy.trimming import Trimmer
from deploy.wiring import Components
from logs.embedded import EmbeddedLog


def start(tasks: Tasks, components: Components, ground: Ground, observing: Observing) -> None:
    """Run the components; those started last, which stand on the others, are stopped first."""
    users, rooms, reading, typing, sync, clients, tokens, processed = components
    # A disk that failed under the log ends the process: what was not written is in doubt until the
    # files are read again.
    tasks.start("log", ground.log.watch())
    for name, part in processed.tasks:
        tasks.start(name, part.run())
    if tokens is not None:
        tasks.start("tokens", tokens.run())
    if users is not None:
        tasks.start("userapi", users.run())
    if rooms is not None:
        tasks.start("roomserver", rooms.consumer.run())
        tasks.start("roomserver, cleaning", rooms.cleaner.run())
    if reading is not None:
        tasks.start("receipts", reading.consumer.run())
    if typing is not None:
        tasks.start("eduserver", typing.consumer.run())
        tasks.start("eduserver, expiry", typing.expiry.run())
    if sync is not None:
        tasks.start("syncapi, rooms", sync.room_events.run())
        tasks.start("syncapi, client data", sync.client_data.run())
        tasks.start("syncapi, receipts", sync.receipts.run())
        tasks.start("syncapi, typing", sync.typing.run())
        tasks.start("syncapi, follower", sync.follower.run())
        tasks.start("syncapi, serving copy", sync.serving.run())
    if clients is not None:
        tasks.start("clientapi, outcomes", clients.outcomes.run())
    # Kafka drops by itself; the embedded log is in the process of all its readers.
    if isinstance(ground.log, EmbeddedLog):
        retentions = ground.settings.log.retentions
        trimmer = Trimmer(ground.log, components.consumers(), ground.clock, retentions)
        observing.sources((trimmer.readings,))
        tasks.start("trimmer", trimmer.run(ground.settings.log.trim_interval_s))


def watch(observing: Observing, components: Components) -> None:
    """Show what the components count, and ask their consumers whether they are ready."""
    users, rooms, _, _, sync, clients, tokens, processed = components
    for consumer in components.consumers():
        observing.consumer(consumer)
    for part in (users, rooms, sync, clients, tokens):
        if part is not None:
            observing.sources(part.readings)
    observing.sources(processed.readings)
    if clients is not None:
        observing.checks.add("clientapi outcomes", clients.outcomes.check_reading)
