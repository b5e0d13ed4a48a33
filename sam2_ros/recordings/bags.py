"""rosbag2 recordings, MCAP or SQLite, compressed or split, also where they are cut off. Needs rosbags and mcap."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from mcap.records import Channel, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader
from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag2 import Reader

from .definitions import types_of
from .problems import Problems

_STORAGES = (".mcap", ".db3")


class BagError(ValueError):
    """A recording that cannot be read; the message says why and what to do."""


@dataclass(frozen=True)
class Topic:
    """What a recording holds of a topic."""

    name: str
    type: str
    count: int  # messages; of a file that is cut off: as many as are left


class _Part(Protocol):
    """A file of a recording, or all of them."""

    @property
    def connections(self) -> list[Connection]: ...

    def messages(
        self, connections: list[Connection], start: int, stop: int
    ) -> Iterator[tuple[Connection, int, bytes]]: ...


class Bag:
    """A recording, as a context manager. Messages are read one by one, of one topic at a time.

    What could not be read on opening is in `problems`.
    """

    def __init__(self, path: Path) -> None:
        """Raises BagError for what is no recording, or holds nothing that can be read."""
        self.problems = Problems()
        self._path = path
        self._open_files = ExitStack()
        try:
            self._parts = list(self._open(path))
        except BaseException:
            self._open_files.close()
            raise

    def __enter__(self) -> Bag:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open_files.close()

    @property
    def topics(self) -> dict[str, Topic]:
        """By name."""
        topics: dict[str, Topic] = {}
        for part in self._parts:
            for connection in part.connections:
                name, earlier = connection.topic, topics.get(connection.topic)
                count = connection.msgcount + (earlier.count if earlier else 0)
                topics[name] = Topic(name, connection.msgtype, count)
        return topics

    def topic(self, name: str, types: tuple[str, ...]) -> Topic:
        """Raises BagError unless the recording has this topic, with one of these types."""
        topics = self.topics
        if name not in topics:
            listed = ", ".join(f"{topic.name} ({topic.type})" for topic in topics.values()) or "none"
            raise BagError(f"{self._path} has no topic {name}; its topics are: {listed}")
        topic = topics[name]
        if topic.type not in types:
            usable = [other.name for other in topics.values() if other.type in types]
            hint = f"; topics of that type: {', '.join(usable)}" if usable else ""
            raise BagError(f"topic {name} has the type {topic.type}, expected {' or '.join(types)}{hint}")
        return topic

    def messages(
        self, topic: str, problems: Problems, start: int = 0, stop: int = 2**63 - 1
    ) -> Iterator[tuple[int, Any]]:
        """The topic's messages with the time at which each was recorded (nanoseconds, from `start` on), in that order.

        None in place of a message that is damaged. Raises UnknownTypeError.
        """
        for part in self._parts:
            connections = [connection for connection in part.connections if connection.topic == topic]
            stores = {connection.id: types_of(connection) for connection in connections}
            raw = part.messages(connections, start, stop) if connections else iter(())
            while True:
                try:
                    connection, received, data = next(raw)
                except StopIteration:
                    break
                except Exception as error:  # rosbags passes on what SQLite, zstd and struct raise
                    problems.add(
                        "cut off", f"{self._path} is damaged or cut off: {_text(error)}; what comes before it is used"
                    )
                    break
                try:
                    message = stores[connection.id].deserialize_cdr(data, connection.msgtype)
                except Exception as error:  # of any type, where bytes have no meaning
                    problems.add("damaged", f"a message on {topic} is damaged: {_text(error)}")
                    message = None
                yield received, message

    def _open(self, path: Path) -> Iterator[_Part]:
        if path.is_dir() and (path / "metadata.yaml").is_file():
            try:
                yield self._open_files.enter_context(Reader(path))
                return
            except Exception as error:
                self.problems.add("metadata", f"{path} is not complete: {_text(error)}; its files are read one by one")
        for file in _files(path):
            yield self._open_file(file)

    def _open_file(self, file: Path) -> _Part:
        try:
            return self._open_files.enter_context(Reader(file))
        except Exception as error:
            if file.suffix != ".mcap":
                raise BagError(f"{file} cannot be read: {_text(error)}; is it a recording of ros2 bag?") from error
        part = _CutOffMcap(file)
        if not part.connections:
            raise BagError(f"{file} cannot be read: it is no MCAP file, or cut off before its first message")
        self.problems.add("cut off", f"{file} is cut off: what is left of it is used")
        return part


class _CutOffMcap:
    """An MCAP file without its end, where the index is; it is read from its beginning, as far as it is whole."""

    def __init__(self, file: Path) -> None:
        self._file = file
        schemas: dict[int, Schema] = {}
        channels: dict[int, Channel] = {}
        counts: dict[int, int] = {}
        for record in self._records():
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Channel):
                channels[record.id] = record
            elif isinstance(record, Message):
                counts[record.channel_id] = counts.get(record.channel_id, 0) + 1
        self.connections = [
            _connection(channel, schemas[channel.schema_id], counts.get(channel.id, 0))
            for channel in channels.values()
            if channel.schema_id in schemas
        ]

    def messages(self, connections: list[Connection], start: int, stop: int) -> Iterator[tuple[Connection, int, bytes]]:
        wanted = {connection.id: connection for connection in connections}
        for record in self._records():
            if isinstance(record, Message) and record.channel_id in wanted and start <= record.log_time < stop:
                yield wanted[record.channel_id], record.log_time, record.data

    def _records(self) -> Iterator[McapRecord]:
        with self._file.open("rb") as file:
            records = StreamReader(file).records
            while True:
                try:
                    yield next(records)
                except StopIteration:
                    return
                except Exception:  # McapError, or what decompression and struct raise of half a record
                    return


def _connection(channel: Channel, schema: Schema, count: int) -> Connection:
    formats = {"ros2msg": MessageDefinitionFormat.MSG, "ros2idl": MessageDefinitionFormat.IDL}
    definition = MessageDefinition(formats.get(schema.encoding, MessageDefinitionFormat.NONE), schema.data.decode())
    extension = ConnectionExtRosbag2(channel.message_encoding, [])
    return Connection(channel.id, channel.topic, schema.name, definition, "", count, extension, None)


def _files(path: Path) -> list[Path]:
    """The files of a recording without metadata, in natural order. Raises BagError."""
    if path.is_file():
        if path.suffix not in _STORAGES:
            raise BagError(f"{path} is compressed as a whole: give the folder of the recording, with its metadata.yaml")
        return [path]
    files = [file for file in path.iterdir() if file.suffix in _STORAGES]
    if not files:
        raise BagError(f"{path} holds no file of a recording ({', '.join(_STORAGES)})")
    return sorted(files, key=lambda file: [int(p) if p.isdigit() else p for p in re.split(r"([0-9]+)", file.name)])


def _text(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
