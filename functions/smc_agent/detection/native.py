"""The compiled machine: taken from its cache with llvmlite alone, or compiled when no cached one fits.

A cached machine is one file: `MAGIC`, the key of what it was compiled from, a digest, and the object file. It lies in
`__pycache__` beside this file or, where that cannot be written, in the user's cache folder; where neither can, the
machine is compiled anew in each process. A file with another key, or damaged, is not run but replaced.
"""

import ctypes
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import llvmlite
import llvmlite.binding as llvm

Layout = tuple[tuple[str, int], ...]
Call = Callable[[Any, None, Any, int], int]

NAME = "smc_machine"
MAGIC = b"smc-machine\n"
FOLDER = Path(__file__).parent
_RULES = ("ahead", "check", "context", "emit", "layout", "liquidity", "queues", "run", "structure", "zones")
SOURCES = (*(f"kernel/{name}.py" for name in _RULES), "marks.py", "compiling.py", "native.py")
"""What machine code follows from."""
_DIGEST = 32
_one_at_a_time = Lock()


def machine(state: Layout, bars: Layout) -> Call:
    """The machine for arrays of these (dtype, dimensions), as `compiling.machine_code` describes it."""
    with _one_at_a_time:
        return _machine(state, bars)


@lru_cache
def _machine(state: Layout, bars: Layout) -> Call:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    key = _key(state, bars)
    name = f"machine.{sys.implementation.cache_tag}.bin"
    for folder in _folders():
        code = _read(folder / name, key)
        if code:
            return _loaded(code)
    import logging  # here, and so is the compiler: a warm start needs neither

    from smc_agent.detection.compiling import machine_code

    logging.getLogger(__name__).info("Compiling the rules of detection, once on this machine: about 10 s.")
    code = machine_code(state, bars, _target())
    for folder in _folders():
        if _write(folder, name, MAGIC + key + _digest(key, code) + code):
            break
    return _loaded(code)


def _processor() -> tuple[str, str]:
    """Its name and features: this machine's, or as NUMBA_CPU_NAME has it.

    Numba reads the same variable. `generic` makes code for any processor of the kind, a seventh slower: for an image
    that is built on one machine and started on others.
    """
    name = os.environ.get("NUMBA_CPU_NAME")
    if name:
        return ("" if name == "generic" else name), os.environ.get("NUMBA_CPU_FEATURES", "")
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _target() -> llvm.TargetMachine:
    target = llvm.Target.from_default_triple()
    relocation = "static" if target.name.startswith("x86") else "default"
    cpu, features = _processor()
    return target.create_target_machine(
        cpu=cpu, features=features, opt=3, reloc=relocation, codemodel="jitdefault", jit=True
    )


_engines: list[Any] = []  # the memory that the machines are in


def _loaded(code: bytes) -> Call:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    # Python's lock is held meanwhile, as two threads may have one detector.
    call = ctypes.PYFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    return call(engine.get_function_address(NAME))


def _key(state: Layout, bars: Layout) -> bytes:
    """A digest of everything that machine code depends on."""
    parts = [(FOLDER / name).read_bytes() for name in SOURCES]
    numba = find_spec("numba")  # not imported for its version
    if numba is not None and numba.origin is not None:
        parts.append((Path(numba.origin).parent / "_version.py").read_bytes())
    processor = (llvm.get_process_triple(), *_processor())
    host = (llvmlite.__version__, sys.implementation.cache_tag, processor, state, bars)
    parts.append(repr(host).encode())
    return _digest(*parts)


def _digest(*parts: bytes) -> bytes:
    digest = blake2b(digest_size=_DIGEST)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()


def _folders() -> Iterator[Path]:
    yield FOLDER / "__pycache__"
    installed = blake2b(str(FOLDER).encode(), digest_size=8).hexdigest()
    cache = os.environ.get("XDG_CACHE_HOME")
    try:
        own = Path(cache) if cache else Path.home() / ".cache"
    except RuntimeError:  # no home
        return
    own = own / "smc-agent" / installed
    try:
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = own.stat()
    except OSError:
        return
    if not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not status.st_mode & 0o022):
        yield own  # else another user could have put code there


def _read(path: Path, key: bytes) -> bytes:
    """The object file of a cached machine; empty when it is missing, of another key, or damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return b""
    begins = len(MAGIC) + 2 * _DIGEST
    code = data[begins:]
    return code if data[:begins] == MAGIC + key + _digest(key, code) else b""


def _write(folder: Path, name: str, data: bytes) -> bool:
    """Writes a file whole or not at all, whoever else writes it at the same time; -> whether it could."""
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=name, delete=False) as file:
            try:
                file.write(data)
                file.flush()
                os.chmod(file.name, 0o644)
                os.replace(file.name, folder / name)
            except OSError:
                os.unlink(file.name)
                return False
    except OSError:
        return False
    return True
