"""Compiles the machine with numba. Nothing imports this while a compiled machine is at hand: numba's import is slow.

What comes out needs neither numba nor Python to run: no array is counted, made or freed in it, nothing is raised, and
of foreign functions it may call those that fill and copy memory.
"""

import re
from types import FunctionType
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from numba import types
from numba.core import config
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from smc_agent.detection.kernel.layout import State
from smc_agent.detection.kernel.queues import place_all
from smc_agent.detection.kernel.run import run
from smc_agent.detection.marks import FUNCTIONS
from smc_agent.detection.native import NAME, Layout

_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",  # division by zero as IEEE has it
    "_nrt": False,  # counting arrays (an atomic add at every use of a field of State) took three quarters of the time
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
_KNOWN_EVERYWHERE = {"memset", "memcpy", "memmove"}


def machine_code(state: Layout, bars: Layout, target: llvm.TargetMachine) -> bytes:
    """An object file for `target` with one function, int32 NAME(int64 result[4], void *, int64 *table, int64 start).

    Layouts are (dtype, dimensions) of each array, in the order of State and of a bar's columns; the table has the
    address and the lengths of each, first those of the state. The function does what `run` does, and below a `start`
    of 0 what `place_all` does. It gives 0; the second argument is where numba would put an exception.
    """
    if config.DISABLE_JIT:
        raise RuntimeError("detection cannot be compiled while NUMBA_DISABLE_JIT is set: unset it")
    dispatchers = _dispatchers()
    compiled_run, compiled_place_all = dispatchers[run], dispatchers[place_all]
    take_state = _taken(0, state, lambda arrays: types.NamedTuple(arrays, State))
    take_bars = _taken(sum(1 + dimensions for _, dimensions in state), bars, types.Tuple)

    def work(table: Any, start: int) -> tuple[int, int, int, int]:
        s = take_state(table)
        if start < 0:
            compiled_place_all(s)
            return 0, 0, 0, 0
        time, open_, high, low, close, volume = take_bars(table)
        return compiled_run(s, time, open_, high, low, close, volume, start)  # type: ignore[no-any-return]

    integer = types.int64
    dispatcher = numba.njit(types.UniTuple(integer, 4)(types.CPointer(integer), integer), **_OPTIONS)(work)
    (done,) = dispatcher.overloads.values()
    module = llvm.parse_assembly(done.library.get_llvm_str())
    called = {function.name for function in module.functions if function.is_declaration}
    foreign = {name for name in called if not re.match(r"llvm\.", name)} - _KNOWN_EVERYWHERE
    if foreign:
        raise RuntimeError(f"detection's kernel calls what only numba has: {', '.join(sorted(foreign))}")
    module.get_function(done.fndesc.llvm_func_name).name = NAME
    return bytes(target.emit_object(module))


def _dispatchers() -> dict[Any, Any]:
    """numba's form of every marked function, each finding the others under their names, whichever file it is in."""
    spaces = {id(function.__globals__): dict(function.__globals__) for function in FUNCTIONS}
    made = {}
    for function, inline in FUNCTIONS.items():
        twin = FunctionType(function.__code__, spaces[id(function.__globals__)], function.__name__)
        made[function] = numba.njit(forceinline=inline, **_OPTIONS)(twin)
    for space in spaces.values():
        space.update({name: made[x] for name, x in space.items() if isinstance(x, FunctionType) and x in made})
    return made


def _taken(first: int, layout: Layout, tuple_of: Any) -> Any:
    """-> a function for compiled code that makes the arrays of `layout` from a table, from place `first` on."""
    arrays = [types.Array(numba.from_dtype(np.dtype(dtype)), dimensions, "C") for dtype, dimensions in layout]
    result = tuple_of(arrays)

    def codegen(context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        word, place, values = context.get_value_type(types.intp), first, []
        for array in arrays:
            address, *shape = (
                builder.load(builder.gep(given[0], [word(place + n)])) for n in range(1 + array.ndim)
            )  # fmt: skip
            place += 1 + array.ndim
            item = context.get_data_type(array.dtype)
            strides = [word(context.get_abi_sizeof(item))]
            for length in shape[:0:-1]:
                strides.insert(0, builder.mul(strides[0], length))
            made = context.make_array(array)(context, builder)
            populate_array(
                made, builder.inttoptr(address, item.as_pointer()), shape, strides, strides[-1], meminfo=None
            )  # fmt: skip
            values.append(made._getvalue())
        return context.make_tuple(builder, result, values)

    def typed(_context: Any, table: Any) -> Any:
        return result(table), codegen

    return intrinsic(typed)
