"""Frames of openmv-bridge from shared memory, on Linux. Python 3.9 or newer; the standard library is enough.

    import openmv_shm

    with openmv_shm.open("/openmv_frame", timeout=10) as shm:
        for frame in shm.frames():
            print(frame.sequence, frame.width, frame.height, len(frame.data))

`open` reads every layout that the bridge writes: the latest frame (VIZN), rings, arrays. A reader sleeps on a futex
between frames (where there is none it looks every 2 ms), maps read-only, and checks every length before it uses it.
A writer that stops or is killed harms no reader: `frames()`, `next()` and `latest()` go on with the next one.

`Frame.array()` needs numpy (and Pillow for JPEGs), `Frame.image()` needs Pillow; nothing else does.
"""

import ctypes
import io
import mmap
import os
import platform
import stat
import struct
import sys
import time
from dataclasses import dataclass, replace
from typing import Iterator, Optional, Tuple, Union

__all__ = ["Frame", "InPlace", "ShmError", "State", "open"]

VIZN_MAGIC = 0x56495A4E
RING_MAGIC = 0x52564D4F
ARRAY_MAGIC = 0x12345678
TRAILER_MAGIC = 0x54564D4F
OWNER_MAGIC = 0x42564D4F

_MAX_SIZE = 1 << 30
_MAX_ATTEMPTS = 64
_MAX_SURPLUS = 10000
_END_OF_TIME = (1 << 64) / 1e9
_POLL = 0.002
# For a writer at work: well above the time for a large frame, and a bound when it has died.
_PATIENCE = 0.02
_PAUSE = 0.0001
_REOPEN = 0.05
_LOOK_AFTER = 0.5
_DTYPES = ("uint8", "int8", "uint16", "int16", "int32", "float32", "float64", "bool")
_DTYPE_SIZES = (1, 1, 2, 2, 4, 4, 8, 1)
_CHANNELS = {"RGB3": 3, "BGR3": 3, "GREY": 1, "RGBA": 4}


class ShmError(Exception):
    """What stands under the name cannot be read. `code` is SHM_FAILED or SHM_INVALID."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Frame:
    """One frame. `data` is a copy (bytes), or of an `InPlace` the ring's own memory."""

    data: Union[bytes, memoryview]
    width: int
    height: int
    format: str
    """Like MJPG, RGB3, BGR3, GREY, RGBA; of an array, its dtype."""
    timestamp_ns: int
    """Unix time: of the capture where the camera's script tells, else of the arrival on the host."""
    sequence: int
    """The camera's count of delivered frames, of whatever layout."""
    missed: int = 0
    """Frames between the one before and this one that this reader did not get."""
    number: int = 0
    """Of a ring: its own count, from 1 without gaps."""
    shape: Optional[Tuple[int, ...]] = None
    """Of an array."""

    @property
    def jpeg(self) -> Optional[bytes]:
        """The JPEG, when it is one."""
        return bytes(self.data) if self.format == "MJPG" else None

    def image(self):
        """A Pillow image."""
        from PIL import Image

        if self.format == "MJPG":
            return Image.open(io.BytesIO(self.data))
        array = self.array()
        return Image.fromarray(array[:, :, ::-1].copy() if self.format == "BGR3" else array)

    def array(self):
        """A numpy array: height x width x channels, or what the array's shape is. Not to be written to."""
        import numpy

        if self.format == "MJPG":
            return numpy.asarray(self.image())
        if self.shape is not None:
            return numpy.frombuffer(self.data, dtype=self.format).reshape(self.shape)
        channels = _CHANNELS[self.format]
        shape = (self.height, self.width) if channels == 1 else (self.height, self.width, channels)
        return numpy.frombuffer(self.data, dtype=numpy.uint8).reshape(shape)


@dataclass(frozen=True)
class State:
    status: str
    """empty: no frame yet; live; stale: the writer died; gone: closed or replaced, open it again."""
    owner_pid: Optional[int]
    age: Optional[float]
    """Seconds since the newest frame's timestamp."""


# --- Waiting -----------------------------------------------------------------------------------------------------


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class _PyBuffer(ctypes.Structure):
    """CPython's Py_buffer: the public way to the address of memory that is mapped read-only."""

    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    ]


_FUTEX_NUMBERS = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "loongarch64": 98, "ppc64le": 221, "s390x": 238}
_ORDERED = platform.machine() in ("x86_64", "AMD64")


def _bind_futex():
    number = _FUTEX_NUMBERS.get(platform.machine())
    if not sys.platform.startswith("linux") or number is None or sys.maxsize < 1 << 32:
        return None
    try:
        call = ctypes.CDLL(None, use_errno=True).syscall
    except (OSError, AttributeError):
        return None
    call.restype = ctypes.c_long

    def futex(address: int, operation: int, value: int, timeout: Optional[_Timespec]) -> int:
        return call(
            ctypes.c_long(number),
            ctypes.c_void_p(address),
            ctypes.c_int(operation),
            ctypes.c_uint32(value),
            ctypes.byref(timeout) if timeout is not None else None,
            None,
            ctypes.c_int(0),
        )

    return futex


_futex = _bind_futex()
_FUTEX_WAIT, _FUTEX_WAKE_PRIVATE = 0, 1 | 128
_fence_word = ctypes.c_uint32(0)


def _load_fence() -> None:
    """Keeps loads before it from passing loads after it: on ARM the kernel's own fence does."""
    if not _ORDERED and _futex is not None:
        _futex(ctypes.addressof(_fence_word), _FUTEX_WAKE_PRIVATE, 1, None)


def _address_of(mapped: mmap.mmap) -> Optional[int]:
    """Where the bytes are in this process; None where Python does not tell (then readers poll)."""
    try:
        view = _PyBuffer()
        ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(mapped), ctypes.byref(view), 0)
        address = view.buf
        ctypes.pythonapi.PyBuffer_Release(ctypes.byref(view))
        return address
    except (AttributeError, ValueError):
        return None


# --- Segments ----------------------------------------------------------------------------------------------------


def _path(name: str) -> str:
    bare = name[1:] if name.startswith("/") else name
    if not bare or bare in (".", "..") or "/" in bare or "\0" in bare:
        raise ShmError("SHM_FAILED", f"{name!r} is no name of shared memory. Use one like /openmv_frame.")
    return "/dev/shm/" + bare


def _is_dead(pid: int, start: int, namespace: int) -> bool:
    """Whether the process that recorded itself has ended; False when that cannot be seen from here."""
    try:
        ours = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        ours = 0
    if namespace and ours and namespace != ours:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    try:
        with io.open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return False
    return fields[0] in (b"Z", b"X") or (start != 0 and int(fields[19]) != start)


class Reader:
    """A segment, mapped read-only. Use `open`. Not to be shared between threads. What has the name after it may be of
    another layout: then so is the reader."""

    layout = ""
    _owner_offset = 0
    _header_size = 0

    def __init__(self, name: str, descriptor: int, status: os.stat_result, mapped: mmap.mmap):
        self.name = name if name.startswith("/") else "/" + name
        self.size = status.st_size
        self._file = (status.st_dev, status.st_ino)
        self._fd = descriptor
        self._map = mapped
        self._bytes = memoryview(mapped)
        self._words = self._bytes[: self.size // 4 * 4].cast("I")
        self._address = _address_of(mapped)
        self._last: Optional[int] = None

    # What a layout gives: _next(), _latest(), _age(), and where its wake word is, if its writer wakes readers.
    def _wake_offset(self) -> Optional[int]:
        raise NotImplementedError

    def _check(self) -> None:
        if self._fd < 0:
            raise ShmError("SHM_FAILED", f"The reader of {self.name} is closed: open it again to read.")
        # Touching what was cut off would kill the process.
        if os.fstat(self._fd).st_size < self.size:
            raise ShmError("SHM_INVALID", f"{self.name} was cut short. Restart the program that writes it.")

    def _word(self, offset: int) -> int:
        return self._words[offset >> 2]

    def _stable(self, offset: int, read):
        """What `read` made of a moment when nothing was being written; None when there was none in a bounded time."""
        end: Optional[float] = None
        attempts = 0
        while attempts < _MAX_ATTEMPTS:
            before = self._word(offset)
            if before & 1:
                now = time.monotonic()
                end = now + _PATIENCE if end is None else end
                if now >= end:
                    return None
                time.sleep(_PAUSE)
                continue
            attempts += 1
            _load_fence()
            found = read()
            _load_fence()
            if self._word(offset) == before:
                return found
        return None

    def _seen(self) -> int:
        self._check()
        offset = self._wake_offset()
        return 0 if offset is None else self._word(offset)

    def _sleep(self, seen: int, timeout: float) -> None:
        """Until the wake word is no longer `seen`, for `timeout` at most; possibly shorter."""
        offset = self._wake_offset()
        if offset is None or _futex is None or self._address is None:
            time.sleep(min(_POLL, timeout))
            return
        limit = _Timespec(int(timeout), int(timeout % 1 * 1e9))
        _futex(self._address + offset, _FUTEX_WAIT, seen, limit)

    def state(self) -> State:
        self._check()
        age = self._age()
        magic, pid, start, namespace, _ = struct.unpack_from("@IIQII", self._bytes, self._owner_offset)
        owned = magic == OWNER_MAGIC
        if self._gone():
            status = "gone"
        elif owned and _is_dead(pid, start, namespace):
            status = "stale"
        else:
            status = "empty" if age is None else "live"
        return State(status, pid if owned else None, age)

    def next(self, timeout: Optional[float] = None) -> Optional[Frame]:
        """The next frame that this reader has not given; None after `timeout` seconds. When the writer has ended, it goes
        on with the next one; without a timeout it gives None when there is none for half a second."""
        return self._wait_for(lambda: self._next(), timeout)

    def latest(self) -> Optional[Frame]:
        """A copy of the newest frame; None when there is none, or none could be had in a bounded time. When the segment's
        writer has ended, that of the next one."""
        self._check()
        if self._gone() and not self.reopen():
            return None
        return self._latest()

    def _wait_for(self, take, timeout: Optional[float], follow: bool = True):
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            seen = self._seen()
            taken = take()
            gone = taken is None and self._gone()
            if gone:
                # The last may have come between the look and the end.
                taken = take()
            if taken is not None:
                return taken
            left = _LOOK_AFTER if end is None else min(_LOOK_AFTER, end - time.monotonic())
            if not gone:
                if left <= 0:
                    return None
                self._sleep(seen, left)
            elif not follow or (not self.reopen(max(0.0, left)) and (end is None or time.monotonic() >= end)):
                return None

    def _gone(self) -> bool:
        """Whether the writer closed the segment, or the name no longer leads to it."""
        if self._word(self._owner_offset) == OWNER_MAGIC and self._word(self._owner_offset + 20) == 2:
            return True
        try:
            found = os.stat(_path(self.name), follow_symlinks=False)
        except OSError:
            return True
        return (found.st_dev, found.st_ino) != self._file

    def frames(self, follow: bool = True) -> Iterator[Frame]:
        """Every frame of a ring, the newest of the other layouts, as they come. `follow`: go on with the next writer."""
        return self._each(lambda: self._next(), follow)

    def _each(self, take, follow: bool):
        while True:
            taken = self._wait_for(take, _LOOK_AFTER, follow)
            if taken is not None:
                yield taken
            elif not follow and self.state().status in ("gone", "stale"):
                return

    def in_place(self, timeout: Optional[float] = None) -> "Optional[InPlace]":
        """Of a ring: the next frame without a copy; None as of `next`."""
        return self._wait_for(lambda: self._next_in_place(), timeout)

    def each_in_place(self, follow: bool = True) -> "Iterator[InPlace]":
        """Of a ring: every frame without a copy, each until the next one is asked for."""
        for view in self._each(lambda: self._next_in_place(), follow):
            with view:
                yield view

    def _next_in_place(self) -> "Optional[InPlace]":
        raise ShmError("SHM_FAILED", f"{self.name} is no ring: read it with next() or frames().")

    def reopen(self, timeout: float = 0.0) -> bool:
        """Opens what has the name now, waiting for it for `timeout` seconds. False: there is nothing new that can be read."""
        end = time.monotonic() + timeout
        while not self._try_reopen():
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_REOPEN, left))
        return True

    def _try_reopen(self) -> bool:
        self._check()
        try:
            fresh = _open_now(self.name)
        except (OSError, ShmError):
            return False
        if fresh._file == self._file or fresh._gone():
            fresh.close()
            return False
        self._release()
        # It is this reader from now on.
        self.__class__, self.__dict__, fresh.__dict__ = fresh.__class__, fresh.__dict__, {"_fd": -1}
        return True

    def _release(self) -> None:
        for view in (self._words, self._bytes, self._map):
            _let_go(view)
        os.close(self._fd)

    def close(self) -> None:
        """Unmaps the segment. Frames stay; a view kept from one in place keeps the memory until it goes. Idempotent."""
        if self.__dict__.get("_fd", -1) < 0:
            return
        self._release()
        self._fd = -1

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __del__(self):
        self.close()


def _let_go(view: Union[memoryview, mmap.mmap]) -> None:
    """Gives memory back; a numpy array, say, that still shows it leaves that to the garbage collector."""
    try:
        view.release() if isinstance(view, memoryview) else view.close()
    except BufferError:
        pass


def _nanoseconds(seconds: float) -> int:
    """0 for what tells no time: infinite, negative, not a number."""
    return round(seconds * 1e6) * 1000 if 0 < seconds < _END_OF_TIME else 0


def _missed(after: Optional[int], sequence: int) -> int:
    return 0 if after is None or sequence <= after else sequence - after - 1


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("latin-1")


class _NewestReader(Reader):
    """A segment that holds one frame at a time."""

    def _read(self, after: Optional[int]) -> Optional[Frame]:
        """The frame, if its sequence is not `after`."""
        raise NotImplementedError

    def _next(self) -> Optional[Frame]:
        frame = self._read(self._last)
        if frame is not None:
            self._last = _mark(frame)
        return frame

    def _latest(self) -> Optional[Frame]:
        return self._read(None)


def _mark(frame: Frame) -> int:
    """Differs from frame to frame: arrays of other programs have no sequence."""
    return frame.sequence or frame.timestamp_ns


class ViznReader(_NewestReader):
    """The latest frame."""

    layout = "vizn"
    _owner_offset = 56
    _header_size = 128
    _HEADER = struct.Struct("@5I4xQII16s")

    def _wake_offset(self) -> Optional[int]:
        return 80 if self._word(84) == 1 and self._word(56) == OWNER_MAGIC else None

    def _read(self, after: Optional[int]) -> Optional[Frame]:
        self._check()
        found = self._stable(36, lambda: self._copy(after))
        if found is None:
            return None
        magic, size, frame = found
        if magic != VIZN_MAGIC:
            raise ShmError("SHM_INVALID", f"{self.name} holds no VIZN frame: another program uses this name.")
        if frame is not None and len(frame.data) != size:
            raise ShmError("SHM_INVALID", f"{self.name} says that its frame has {size} bytes: it is damaged.")
        return frame

    def _copy(self, after: Optional[int]):
        magic, width, height, _, size, stamp, sequence, _, text = self._HEADER.unpack_from(self._bytes, 0)
        if sequence in (0, after):
            return magic, size, None
        data = self._map[128 : 128 + size] if 128 + size <= self.size else b""
        return magic, size, Frame(data, width, height, _text(text), stamp, sequence, _missed(after, sequence))

    def _age(self) -> Optional[float]:
        _, _, _, _, _, stamp, sequence, _, _ = self._HEADER.unpack_from(self._bytes, 0)
        return None if sequence == 0 else max(0.0, time.time() - stamp / 1e9)


class InPlace:
    """A frame of a ring without a copy: `with view as frame: use(frame.data)`, and then `view.whole`. The writer waits for
    no reader: what is to stay after the `with` is copied inside of it."""

    def __init__(self, frame: Frame, word: memoryview, version: int):
        self.frame = frame
        self._word = word
        self._version = version
        self._result: Optional[bool] = None

    @property
    def whole(self) -> bool:
        """Whether the bytes were the frame's until now, or until the `with` ended."""
        if self._result is not None:
            return self._result
        _load_fence()
        return self._word[0] == self._version

    def __enter__(self) -> Frame:
        return self.frame

    def __exit__(self, *_) -> None:
        if self._result is None:
            self._result = self.whole
            _let_go(self._word)
            _let_go(self.frame.data)


class RingReader(Reader):
    """Every frame, at this reader's own pace. `missed` counts what was overwritten before it was read."""

    layout = "ring"
    _owner_offset = 32
    _header_size = 128
    _SLOT = struct.Struct("@IIQQII16sQ")

    def __init__(self, *args):
        super().__init__(*args)
        version, self._count, self._stride, self._capacity, self._index, self._first = struct.unpack_from(
            "@6I", self._bytes, 4
        )
        possible = (
            version == 1
            and 4 <= self._count <= 1024
            and self._capacity >= 1
            and self._stride % 64 == 0
            and self._stride >= 64 + self._capacity
            and self._index % 4 == 0
            and self._index >= 128
            and self._first % 64 == 0
            and self._first >= self._index + 4 * self._count
            and self._first + self._count * self._stride <= self.size
        )
        if not possible:
            self.close()
            raise ShmError("SHM_INVALID", f"{self.name} has a ring header that contradicts itself or its size.")
        self._longs = self._bytes[: self.size // 8 * 8].cast("Q")
        # Newest of the frames that were there before this reader; 0 once it has taken one.
        self._backlog = self._head()
        self.cursor = max(0, self._backlog - self._count)
        self.missed = 0
        self._lost = 0

    def _head(self) -> int:
        return self._longs[8]

    def _wake_offset(self) -> Optional[int]:
        return 72

    def _look(self, number: int):
        """Where frame `number` is and what its header says; None: it is gone, or goes at this moment."""
        slot = self._word(self._index + 4 * (number % self._count))
        if slot >= self._count:
            raise ShmError("SHM_INVALID", f"{self.name} has frame {number} in slot {slot}: it is damaged.")
        at = self._first + slot * self._stride
        version = self._word(at)
        _load_fence()
        _, size, found, stamp, width, height, text, sequence = self._SLOT.unpack_from(self._bytes, at)
        if version & 1 or not self._unchanged(at, version) or found != number:
            return None
        if size > self._capacity:
            raise ShmError("SHM_INVALID", f"{self.name} has a frame of {size} bytes: it is damaged.")
        return at, version, size, (width, height, _text(text), stamp, sequence, self._lost, number)

    def _unchanged(self, at: int, version: int) -> bool:
        _load_fence()
        return self._word(at) == version

    def _advance(self, take):
        for _ in range(2 * self._count):
            head = self._head()
            if head <= self.cursor:
                return None
            number = max(self.cursor + 1, head - self._count + 1)
            self._pass(number - 1)
            look = self._look(number)
            taken = None if look is None else take(*look)
            if taken is not None:
                self.cursor = number
                self._lost = self._backlog = 0
                return taken
            self._pass(number)
        return None

    def _pass(self, last: int) -> None:
        """Moves the cursor past frames that are gone. Those that were there before the reader, and went before it took
        its first, it has not missed: it begins with the oldest that it can have."""
        missed = max(0, last - max(self.cursor, self._backlog))
        self.missed += missed
        self._lost += missed
        self.cursor = last

    def _copy(self, at: int, version: int, size: int, about) -> Optional[Frame]:
        data = self._map[at + 64 : at + 64 + size]
        return Frame(data, *about) if self._unchanged(at, version) else None

    def _in_place(self, at: int, version: int, size: int, about) -> InPlace:
        frame = Frame(self._bytes[at + 64 : at + 64 + size], *about)
        # A view of its own, because the reader may go on to another segment meanwhile.
        return InPlace(frame, self._bytes[at : at + 4].cast("I"), version)

    def _next(self) -> Optional[Frame]:
        return self._advance(self._copy)

    def _next_in_place(self) -> Optional[InPlace]:
        return self._advance(self._in_place)

    def _latest(self) -> Optional[Frame]:
        before, missed, head = self.cursor, self.missed, self._head()
        if head == 0:
            return None
        self.cursor = head - 1
        frame = self._next()
        self.missed = missed
        if frame is None:
            self.cursor = before
        return frame

    def skip(self) -> None:
        """What is there already is not given by `next`."""
        self._check()
        self.cursor = self._head()
        self._backlog = 0

    def _age(self) -> Optional[float]:
        head = self._head()
        if head == 0:
            return None
        look = self._look(head)
        return 0.0 if look is None else max(0.0, time.time() - look[3][3] / 1e9)

    def _release(self) -> None:
        if "_longs" in self.__dict__:
            _let_go(self._longs)
        super()._release()


class _Semaphore:
    """The lock of arrays that other programs write. Some post it without having waited: a count above one says that
    another process may be inside as well."""

    def __init__(self, name: str):
        self._calls = ctypes.CDLL(None, use_errno=True)
        self._calls.sem_open.restype = ctypes.c_void_p
        handle = self._calls.sem_open(name.encode(), ctypes.c_int(0))
        if not handle:
            why = os.strerror(ctypes.get_errno())
            raise ShmError("SHM_FAILED", f"The semaphore {name} of the array cannot be opened: {why}.")
        self._handle = ctypes.c_void_p(handle)

    def take(self) -> bool:
        return self._calls.sem_trywait(self._handle) == 0

    def drain(self) -> bool:
        """While holding: takes out what was posted. Whether there was any."""
        surplus = 0
        while surplus < _MAX_SURPLUS and self.take():
            surplus += 1
        return surplus > 0

    def give(self) -> bool:
        """Gives it back: the count is 1 afterwards. Whether no other process was inside."""
        alone = not self.drain()
        self._calls.sem_post(self._handle)
        return alone

    def close(self) -> None:
        self._calls.sem_close(self._handle)


class ArrayReader(_NewestReader):
    """An array: of openmv-bridge, or of the public package posixipc_image_transport."""

    layout = "array"
    _owner_offset = 40
    _header_size = 64

    def __init__(self, *args):
        super().__init__(*args)
        self._lock: Optional[_Semaphore] = None
        _, dtype, ndim, *dims = struct.unpack_from("@8I", self._bytes, 0)
        self._length = 0
        if dtype < len(_DTYPES) and ndim <= 5:
            self.shape = tuple(dims[:ndim])
            self.dtype = _DTYPES[dtype]
            self._length = _DTYPE_SIZES[dtype]
            for size in self.shape:
                self._length *= size
        try:
            if self._length == 0 or 64 + self._length > self.size:
                raise ShmError("SHM_INVALID", f"{self.name} has the header of no array.")
            self._trailer = 64 + (self._length + 7) // 8 * 8
            # What has a write sequence is read without the lock.
            if self._trailer + 16 != self.size or self._word(self._trailer) != TRAILER_MAGIC:
                self._lock = _Semaphore(self.name[: -len("_shm")] + "_sem")
        except ShmError:
            self.close()
            raise

    def _wake_offset(self) -> Optional[int]:
        return None if self._lock else self._trailer + 8

    def _read(self, after: Optional[int]) -> Optional[Frame]:
        self._check()
        frame = self._read_locked() if self._lock else self._stable(self._trailer + 4, self._copy)
        if frame is None or (after is not None and _mark(frame) == after):
            return None
        missed = _missed(after, frame.sequence) if frame.sequence else 0
        return replace(frame, missed=missed) if missed else frame

    def _copy(self) -> Optional[Frame]:
        """The array that is there; None: none yet, which other programs tell by the timestamp alone."""
        (stamp,) = struct.unpack_from("@d", self._bytes, 32)
        sequence = 0 if self._lock else self._word(self._trailer + 12)
        if (stamp if self._lock else sequence) == 0:
            return None
        data = self._map[64 : 64 + self._length]
        width = self.shape[1] if len(self.shape) > 1 else 1
        return Frame(data, width, self.shape[0], self.dtype, _nanoseconds(stamp), sequence, 0, 0, self.shape)

    def _read_locked(self) -> Optional[Frame]:
        """What stayed the same from before the copy to after it, while no other process came out of the lock."""
        if not self._lock.take():
            return None
        frame = None
        try:
            if not self._lock.drain():
                frame = self._copy()
                if frame is not None and self._copy() != frame:
                    frame = None
        finally:
            alone = self._lock.give()
        return frame if alone else None

    def _age(self) -> Optional[float]:
        (stamp,) = struct.unpack_from("@d", self._bytes, 32)
        empty = stamp == 0 if self._lock else self._word(self._trailer + 12) == 0
        return None if empty else max(0.0, time.time() - stamp)

    def _release(self) -> None:
        if self.__dict__.get("_lock") is not None:
            self._lock.close()
        super()._release()


def open(name: str = "/openmv_frame", timeout: float = 0.0) -> Reader:
    """Opens the shared memory `name` for reading, whatever layout it has; waits for it for `timeout` seconds. The array
    `cam_image` is found as well, which is `cam_image_shm`.

    Raises ShmError: SHM_FAILED when it is not there or may not be read, SHM_INVALID when it has no known layout.
    """
    if not sys.platform.startswith("linux"):
        raise ShmError("SHM_FAILED", "openmv-bridge has shared memory on Linux alone: there is none to read here.")
    end = time.monotonic() + timeout
    while True:
        try:
            return _open_named(name)
        except FileNotFoundError:
            if time.monotonic() >= end:
                raise ShmError(
                    "SHM_FAILED", f"There is no shared memory {name}. Start the bridge that writes it."
                ) from None
            time.sleep(_REOPEN)
        except OSError as error:
            raise ShmError("SHM_FAILED", f"Cannot open the shared memory {name}: {error.strerror}.") from error


def _open_named(name: str) -> Reader:
    try:
        return _open_now(name)
    except FileNotFoundError:
        return _open_now(name + "_shm")


def _open_now(name: str) -> Reader:
    descriptor = os.open(_path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not 64 <= status.st_size <= _MAX_SIZE:
            raise ShmError("SHM_INVALID", f"{name} is no shared memory of a known layout.")
        if status.st_uid not in (0, os.geteuid()) and status.st_mode & stat.S_IWOTH:
            raise ShmError("SHM_INVALID", f"{name} belongs to another user and may be written by everybody.")
        mapped = mmap.mmap(descriptor, status.st_size, prot=mmap.PROT_READ)
        (magic,) = struct.unpack_from("@I", mapped, 0)
        kind = {VIZN_MAGIC: ViznReader, RING_MAGIC: RingReader, ARRAY_MAGIC: ArrayReader}.get(magic)
        if kind is None or status.st_size < kind._header_size:
            mapped.close()
            raise ShmError("SHM_INVALID", f"{name} begins with 0x{magic:08x}, which is no layout that we know.")
    except BaseException:
        os.close(descriptor)
        raise
    return kind(name, descriptor, status, mapped)
