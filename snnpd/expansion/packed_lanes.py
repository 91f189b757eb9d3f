"""Vectors of integers for code that numba compiles, and the bit operations that it lacks.

Loops over arrays are turned into vector code, but a sum that goes on from one array to the next is written to memory
after each, and every cut of an array costs more than the addition. `Lanes` stay in registers instead.
"""

# numba infers the types of what it compiles.

from inspect import unwrap

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, models, register_model

# Lanes are so many bits, or twice or four times as many: half of the registers of most processors, at most.
UNIT_BITS = 512


def compiled(function):
    """The function, compiled by numba as it is written: a checker of signatures may have put a wrapper around it."""
    return njit(nogil=True, error_model="numpy", cache=True)(unwrap(function))


class Lanes(types.Type):
    """Integers of one type that fill some units."""

    def __init__(self, element, num_units):
        self.element, self.count = element, num_units * UNIT_BITS // element.bitwidth
        super().__init__(name=f"Lanes({element}, {self.count})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, lanes):
        super().__init__(manager, lanes, ir.VectorType(ir.IntType(lanes.element.bitwidth), lanes.count))


def _place(context, builder, kind, array, at, lanes):
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), context.get_value_type(lanes).as_pointer())


def _load(context, builder, kind, array, at, lanes):
    row = builder.load(_place(context, builder, kind, array, at, lanes))
    row.align = kind.dtype.bitwidth // 8
    return row


def _spread(builder, number, kind):
    """An integer, cut to the width of a vector's elements, in all of them."""
    if kind.element.width < number.type.width:
        number = builder.trunc(number, kind.element)
    nothing, order = ir.Constant(kind, ir.Undefined), ir.VectorType(ir.IntType(32), kind.count)
    one = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(order, [0] * kind.count))


@intrinsic
def load(context, array, at, units):
    """The lanes of a contiguous array from place `at` on, which must be there: as many units as a tuple is long."""
    lanes = Lanes(array.dtype, units.count)

    def generate(context, builder, signature, arguments):
        return _load(context, builder, array, arguments[0], arguments[1], lanes)

    return lanes(array, types.intp, units), generate


@intrinsic
def store(context, array, at, lanes):
    """Writes the lanes to a contiguous array, from place `at` on."""

    def generate(context, builder, signature, arguments):
        place = _place(context, builder, array, arguments[0], arguments[1], lanes)
        builder.store(arguments[2], place).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@intrinsic
def plus(context, one, other):
    """The sum of lanes."""
    return one(one, other), lambda _, builder, signature, args: builder.add(*args)


def _shift(instruction):
    @intrinsic
    def shift(context, lanes, places):
        """The lanes shifted by 0 to (width - 1) places."""

        def generate(context, builder, signature, arguments):
            kind = arguments[0].type
            return getattr(builder, instruction)(arguments[0], _spread(builder, arguments[1], kind))

        return lanes(lanes, types.int64), generate

    return shift


shift_left, shift_right, shift_right_unsigned = _shift("shl"), _shift("ashr"), _shift("lshr")


@intrinsic
def at_least(context, array, at, threshold):
    """Which of 64 elements of an int16 array, from place `at` on, are not below a threshold: bit i is element i."""
    lanes = Lanes(array.dtype, 2)

    def generate(context, builder, signature, arguments):
        row = _load(context, builder, array, arguments[0], arguments[1], lanes)
        bits = builder.icmp_signed(">=", row, _spread(builder, arguments[2], row.type))
        return builder.bitcast(bits, ir.IntType(lanes.count))

    return types.int64(array, types.intp, types.int64), generate


@intrinsic
def popcount(context, word):
    """The number of bits that are set."""
    return word(word), lambda _, builder, signature, args: builder.ctpop(args[0])


@intrinsic
def lowest_bit(context, word):
    """The place of the lowest bit that is set; one must be."""
    return word(word), lambda _, builder, signature, args: builder.cttz(
        args[0], ir.Constant(ir.IntType(1), 1)
    )


@intrinsic
def shift_right_short(context, number, places):
    """An int16 shifted right by 0 to 15 places, in its own width: numba's own shift would widen it to 64 bits."""

    def generate(context, builder, signature, arguments):
        return builder.ashr(arguments[0], builder.trunc(arguments[1], ir.IntType(16)))

    return types.int16(types.int16, types.int64), generate
