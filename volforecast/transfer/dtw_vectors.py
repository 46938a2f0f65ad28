"""The inner loops of the DTW kernel, written out as LLVM vectors for numba: one register holds the same cell of 8
subsequences (16 in float32).

Left to the compiler, the recursion would keep its running sums in memory: three stores and four loads a cell, where two
minima and one addition are all the arithmetic there is. Every lane does the operations of ``dtw.dtw_scalar`` in its
order (a minimum of three may be taken in any), nothing is fused, and no flag is set that might hide a NaN.

Numba's cache on disk does not notice changes of this file: after editing it, touch ``dtw_kernel.py``.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

VECTOR = 64  # bytes
HEIGHT = 8  # query rows that go together


class _Vectors:
    """Emits LLVM instructions on vectors of the arrays' number type; positions are numbers of elements."""

    def __init__(self, context: Any, builder: Any, dtype: Any) -> None:
        self.context, self.builder, self.size = context, builder, dtype.bitwidth // 8
        self.element = context.get_data_type(dtype)
        self.lanes = VECTOR // self.size
        self.type = ir.VectorType(self.element, self.lanes)

    def pointer(self, signature: Any, args: Any, k: int) -> Any:
        return self.context.make_array(signature.args[k])(self.context, self.builder, args[k]).data

    def load(self, base: Any, position: Any) -> Any:
        address = self.builder.bitcast(self.builder.gep(base, [position]), self.type.as_pointer())
        return self.builder.load(address, align=self.size)

    def store(self, value: Any, base: Any, position: Any) -> None:
        address = self.builder.bitcast(self.builder.gep(base, [position]), self.type.as_pointer())
        self.builder.store(value, address, align=self.size)

    def spread(self, scalar: Any) -> Any:
        empty = ir.Constant(self.type, ir.Undefined)
        one = self.builder.insert_element(empty, scalar, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), None))

    def variable(self, value: Any) -> Any:
        """A stack slot for a value that a loop changes; LLVM turns it back into a register."""
        slot = cgutils.alloca_once(self.builder, self.type)
        self.builder.store(value, slot)
        return slot

    def minimum(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.fcmp_ordered("<", a, b), a, b)

    def root(self, value: Any) -> Any:
        kind = ir.FunctionType(self.type, [self.type])
        name = f"llvm.sqrt.v{self.lanes}f{8 * self.size}"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [value])


@intrinsic  # type: ignore[untyped-decorator]
def local_costs(typing: Any, rows: Any, at: Any, query: Any, day: Any, vectors: Any, costs: Any, to: Any) -> Any:
    """Euclidean distances of a query row, ``query[day]``, and rows next to each other.

    ``rows`` has shape (predictors, rows); ``vectors`` registers of them are read from place ``at`` on. ``costs`` is
    flat and is written from place ``to`` on.
    """

    def emit(context: Any, b: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(context, b, rows.dtype)
        x, q, out = (v.pointer(signature, args, k) for k in (0, 2, 5))
        _, at, _, day, vectors, _, to = args
        shape = context.make_array(signature.args[0])(context, b, args[0]).shape
        width, pitch = (b.extract_value(shape, k) for k in (0, 1))
        first = b.mul(day, width)
        with cgutils.for_range(b, vectors) as block:
            step = b.mul(block.index, ir.Constant(ir.IntType(64), v.lanes))
            total = v.variable(ir.Constant(v.type, None))
            with cgutils.for_range(b, width) as loop:
                own = v.spread(b.load(b.gep(q, [b.add(first, loop.index)])))
                theirs = v.load(x, b.add(b.add(at, step), b.mul(loop.index, pitch)))
                difference = b.fsub(own, theirs)
                b.store(b.fadd(b.load(total), b.fmul(difference, difference)), total)
            v.store(v.root(b.load(total)), out, b.add(to, step))
        return context.get_dummy_value()

    return types.void(rows, at, query, day, vectors, costs, to), emit


@intrinsic  # type: ignore[untyped-decorator]
def path_rows(
    typing: Any, costs: Any, lane: Any, first: Any, last: Any, rows: Any, columns: Any, edge: Any, corner: Any
) -> Any:
    """Carries the path sums of one register's lanes from above query row ``first`` to below the one before ``last``.

    The cost of query row i and window row j is at ``costs[rows[i] + columns[j] + lane]``. ``edge`` holds a register for
    each column: the path sums of the row above on entry, of the last of these rows on return. ``corner`` is the path
    sum left of the row above: 0 before the first row, else infinite. Up to HEIGHT rows go together, each with its path
    sum in a register.
    """

    def emit(context: Any, b: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(context, b, costs.dtype)
        values, at_row, at_column, above = (v.pointer(signature, args, k) for k in (0, 4, 5, 6))
        count = b.extract_value(context.make_array(signature.args[5])(context, b, args[5]).shape, 0)
        _, lane, first, last, *_ = args
        infinite = ir.Constant(v.type, [float("inf")] * v.lanes)
        corner = v.spread(context.cast(b, args[7], signature.args[7], costs.dtype))

        def carry(height: int) -> None:
            index = [b.add(first, ir.Constant(ir.IntType(64), i)) for i in range(height)]
            bases = [b.gep(values, [b.add(b.load(b.gep(at_row, [i])), lane)]) for i in index]
            lefts, before = [v.variable(infinite) for _ in bases], v.variable(corner)
            with cgutils.for_range(b, count) as loop:
                column = b.load(b.gep(at_column, [loop.index]))
                place = b.mul(loop.index, ir.Constant(ir.IntType(64), v.lanes))
                up, diagonal = v.load(above, place), b.load(before)
                b.store(up, before)
                for base, slot in zip(bases, lefts, strict=True):
                    left = b.load(slot)
                    best = v.minimum(up, v.minimum(left, diagonal))
                    up, diagonal = b.fadd(v.load(base, column), best), left
                    b.store(up, slot)
                v.store(up, above, place)

        for height in range(1, HEIGHT + 1):
            with b.if_then(b.icmp_signed("==", b.sub(last, first), ir.Constant(ir.IntType(64), height))):
                carry(height)
        return context.get_dummy_value()

    return types.void(costs, lane, first, last, rows, columns, edge, corner), emit
