"""The vector instructions of the tiny network p-8-4-2-1, written out as LLVM vectors for the numba kernel.

A tile holds one feature or unit a row, TILE samples next to each other, so that a vector register holds the same unit
of 16 samples (4 in tiny batches). Leaving the vectors to the compiler would need fastmath, and the order of every sum
would depend on the machine. Here it is fixed, and products are fused explicitly: all machines get the same bytes,
whatever their vector width and the arrays' alignment, and no flag is set that might hide a NaN.

Parameters are one flat array: layer by layer, a table (1 + inputs, units) row by row whose first row is the biases, as
if each layer had one more input that is always 1. Data rows are float32: predictors, label, padding to whole quads.

Numba's cache on disk does not notice changes of this file: after editing it, touch ``fnn_kernel.py``.

Source: Teller et al. (2026), section 5.3 and table 2 (8-4-2 hidden units, ReLU, linear output, mean squared error).
"""

from itertools import pairwise
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

HIDDEN = (8, 4, 2)
UNITS = (*HIDDEN, 1)
BEYOND_FIRST = sum((1 + inputs) * units for inputs, units in pairwise(UNITS))  # parameters after the first layer's
TILE = 128  # samples; with 11 predictors a tile fills half of a 32 KiB cache

# Rows of a tile: [1, units] of each hidden layer, the loss's derivatives by each layer's units, [1, data columns].
H1, H2, H3 = 0, 1 + HIDDEN[0], 2 + HIDDEN[0] + HIDDEN[1]
D1 = H3 + 1 + HIDDEN[2]
D2, D3, D4 = D1 + HIDDEN[0], D1 + HIDDEN[0] + HIDDEN[1], D1 + sum(HIDDEN)
X0 = D4 + 1


def _int(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


class _Vectors:
    """Emits LLVM instructions on vectors of ``lanes`` float32 values; positions are numbers of float32 values."""

    def __init__(self, context: Any, builder: Any, lanes: int) -> None:
        self.context, self.builder, self.lanes = context, builder, lanes
        self.type = ir.VectorType(ir.FloatType(), lanes)
        self.zero = ir.Constant(self.type, [0.0] * lanes)

    def pointer(self, signature: Any, args: Any, k: int) -> Any:
        return self.context.make_array(signature.args[k])(self.context, self.builder, args[k]).data

    def plus(self, position: Any, number: int) -> Any:
        return self.builder.add(position, _int(number))

    def load(self, base: Any, position: Any) -> Any:
        address = self.builder.bitcast(self.builder.gep(base, [position]), self.type.as_pointer())
        return self.builder.load(address, align=4)

    def store(self, value: Any, base: Any, position: Any) -> None:
        address = self.builder.bitcast(self.builder.gep(base, [position]), self.type.as_pointer())
        self.builder.store(value, address, align=4)

    def pick(self, a: Any, b: Any, *lanes: int) -> Any:
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes)))

    def spread(self, scalar: Any) -> Any:
        empty = ir.Constant(ir.VectorType(scalar.type, self.lanes), ir.Undefined)
        one = self.builder.insert_element(empty, scalar, ir.Constant(ir.IntType(32), 0))
        return self.pick(one, one, *[0] * self.lanes)

    def weight(self, base: Any, position: Any) -> Any:
        return self.spread(self.builder.load(self.builder.gep(base, [position])))

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        kind = ir.FunctionType(self.type, [self.type] * 3)
        name = f"llvm.fma.v{self.lanes}f32"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [a, b, c])

    def variables(self, values: list[Any]) -> list[Any]:
        """Stack slots for values that a loop changes; LLVM turns them back into registers."""
        slots = [cgutils.alloca_once(self.builder, self.type) for _ in values]
        for slot, value in zip(slots, values, strict=True):
            self.builder.store(value, slot)
        return slots

    def transposed(self, rows: list[Any]) -> list[Any]:
        """The transpose of four vectors of four values."""
        low = [self.pick(rows[k], rows[k + 2], 0, 4, 1, 5) for k in (0, 1)]
        high = [self.pick(rows[k], rows[k + 2], 2, 6, 3, 7) for k in (0, 1)]
        return [self.pick(a, b, *lanes) for a, b in (low, high) for lanes in ((0, 4, 1, 5), (2, 6, 3, 7))]

    def forward(self, weights: Any, inputs: Any, tile: Any, at: Any) -> tuple[list[list[Any]], list[Any], Any]:
        """Hidden units (layer by layer), where the later layers' parameters begin, and the network's output."""
        b = self.builder
        slots = self.variables([self.weight(weights, _int(j)) for j in range(UNITS[0])])
        with cgutils.for_range(b, inputs) as loop:
            i = self.plus(loop.index, 1)
            x = self.load(tile, b.add(at, b.mul(self.plus(i, X0), _int(TILE))))
            for j, slot in enumerate(slots):
                w = self.weight(weights, self.plus(b.mul(i, _int(UNITS[0])), j))
                b.store(self.fma(w, x, b.load(slot)), slot)
        units, hidden, begins = [b.load(slot) for slot in slots], [], []
        begin = b.mul(self.plus(inputs, 1), _int(UNITS[0]))
        for width in UNITS[1:]:
            # "0 where 0 > u" and not "u where u > 0": a NaN must come through
            units = [b.select(b.fcmp_ordered(">", self.zero, u), self.zero, u) for u in units]
            hidden.append(units)
            begins.append(begin)
            sums = [self.weight(weights, self.plus(begin, j)) for j in range(width)]
            for i, u in enumerate(units, start=1):
                w = [self.weight(weights, self.plus(begin, i * width + j)) for j in range(width)]
                sums = [self.fma(w[j], u, sums[j]) for j in range(width)]
            begin = self.plus(begin, width * (1 + len(units)))
            units = sums
        return hidden, begins, units[0]


@intrinsic  # type: ignore[untyped-decorator]
def gather(typing: Any, rows: Any, a: Any, b: Any, c: Any, d: Any, tile: Any, at: Any) -> Any:
    """Four columns of the data rows beginning at a, b, c, d, transposed into the tile."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(context, builder, 4)
        source, target = v.pointer(signature, args, 0), v.pointer(signature, args, 5)
        for k, column in enumerate(v.transposed([v.load(source, args[k]) for k in (1, 2, 3, 4)])):
            v.store(column, target, v.plus(args[6], k * TILE))
        return context.get_dummy_value()

    return types.void(rows, a, b, c, d, tile, at), emit


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typing: Any, rows: Any, position: Any) -> Any:
    """Ask for the cache line of a value of the data rows that will be read soon; nothing else happens."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, number = _Vectors(context, builder, 4).pointer(signature, args, 0), ir.IntType(32)
        address = builder.bitcast(builder.gep(source, [args[1]]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        call = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        builder.call(call, [address, number(0), number(3), number(1)])  # to read, keep in all caches, data
        return context.get_dummy_value()

    return types.void(rows, position), emit


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def forward(typing: Any, weights: Any, inputs: Any, tile: Any, at: Any, lanes: Any) -> Any:
    """Outputs of ``lanes`` samples of the tile, into row D4."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(context, builder, lanes.literal_value)
        t = v.pointer(signature, args, 2)
        output = v.forward(v.pointer(signature, args, 0), args[1], t, args[3])[2]
        v.store(output, t, v.plus(args[3], D4 * TILE))
        return context.get_dummy_value()

    return types.void(weights, inputs, tile, at, lanes), emit


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def backward(typing: Any, weights: Any, inputs: Any, tile: Any, at: Any, count: Any, scale: Any, lanes: Any) -> Any:
    """Units and derivatives of ``lanes`` samples, into the tile; derivatives of samples from ``count`` on are zero."""

    def emit(context: Any, b: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(context, b, lanes.literal_value)
        _, inputs, _, at, count, scale, _ = args
        w, t = v.pointer(signature, args, 0), v.pointer(signature, args, 2)
        hidden, begins, output = v.forward(w, inputs, t, at)
        for row, units in zip((H1, H2, H3), hidden, strict=True):
            for j, u in enumerate(units, start=row + 1):
                v.store(u, t, v.plus(at, j * TILE))
        y = v.load(t, b.add(at, b.mul(v.plus(inputs, X0 + 1), _int(TILE))))
        steps = ir.Constant(ir.VectorType(ir.IntType(64), v.lanes), list(range(v.lanes)))
        real = b.icmp_signed("<", steps, v.spread(b.sub(count, at)))
        deltas = [b.select(real, b.fmul(b.fsub(output, y), v.spread(scale)), v.zero)]
        v.store(deltas[0], t, v.plus(at, D4 * TILE))
        for begin, units, row in zip(reversed(begins), reversed(hidden), (D3, D2, D1), strict=True):
            below = []
            for i, u in enumerate(units):
                total = v.zero
                for j, delta in enumerate(deltas):
                    total = v.fma(v.weight(w, v.plus(begin, (i + 1) * len(deltas) + j)), delta, total)
                below.append(b.select(b.fcmp_ordered(">", u, v.zero), total, v.zero))
                v.store(below[-1], t, v.plus(at, (row + i) * TILE))
            deltas = below
        return context.get_dummy_value()

    return types.void(weights, inputs, tile, at, count, scale, lanes), emit


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def outer(
    typing: Any, sums: Any, k: Any, tile: Any, row: Any, delta: Any, blocks: Any, ins: Any, outs: Any, lanes: Any
) -> Any:
    """Adds to parameters k, k + 1, ..., lane by lane, the products of ``ins`` input and ``outs`` derivative rows."""

    def emit(context: Any, b: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(context, b, lanes.literal_value)
        s, t = v.pointer(signature, args, 0), v.pointer(signature, args, 2)
        _, k, _, row, delta, blocks, *_ = args
        pairs = [(i, j) for i in range(ins.literal_value) for j in range(outs.literal_value)]
        places = [b.mul(v.plus(k, n), _int(v.lanes)) for n in range(len(pairs))]
        slots = v.variables([v.load(s, place) for place in places])
        with cgutils.for_range(b, blocks) as loop:
            at = b.mul(loop.index, _int(v.lanes))
            x = [v.load(t, b.add(at, b.mul(v.plus(row, i), _int(TILE)))) for i in range(ins.literal_value)]
            d = [v.load(t, b.add(at, b.mul(v.plus(delta, j), _int(TILE)))) for j in range(outs.literal_value)]
            for slot, (i, j) in zip(slots, pairs, strict=True):
                b.store(v.fma(x[i], d[j], b.load(slot)), slot)
        for slot, place in zip(slots, places, strict=True):
            v.store(b.load(slot), s, place)
        return context.get_dummy_value()

    return types.void(sums, k, tile, row, delta, blocks, ins, outs, lanes), emit


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def sum_lanes(typing: Any, sums: Any, k: Any, gradient: Any, lanes: Any) -> Any:
    """Gradient of parameters k ... k + 3: the sums of their lanes, by halves and then by a transpose."""

    def emit(context: Any, b: Any, signature: Any, args: Any) -> Any:
        v, quad = _Vectors(context, b, lanes.literal_value), _Vectors(context, b, 4)
        s, quads = v.pointer(signature, args, 0), []
        for n in range(4):
            total, half = v.load(s, b.mul(v.plus(args[1], n), _int(v.lanes))), v.lanes // 2
            while half >= 4:
                total = b.fadd(v.pick(total, total, *range(half)), v.pick(total, total, *range(half, 2 * half)))
                half //= 2
            quads.append(total)
        q = quad.transposed(quads)
        quad.store(b.fadd(b.fadd(q[0], q[1]), b.fadd(q[2], q[3])), v.pointer(signature, args, 2), args[1])
        return context.get_dummy_value()

    return types.void(sums, k, gradient, lanes), emit
