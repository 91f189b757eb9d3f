// What CUDA text needs in order to be C++: its qualifiers, its indices, and the few intrinsics that it may use.
// There is no synchronisation: threads run one after the other, so a kernel that needs one does not compile.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

struct dim3 {
    unsigned x, y, z;
};

static dim3 threadIdx, blockIdx, blockDim, gridDim;

template <class To, class From> static inline To same_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "as many bits");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

static inline float __uint_as_float(unsigned bits) { return same_bits<float>(bits); }
static inline float __int_as_float(int bits) { return same_bits<float>(bits); }
static inline unsigned __float_as_uint(float x) { return same_bits<unsigned>(x); }
static inline int __float_as_int(float x) { return same_bits<int>(x); }
static inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
static inline int __popcll(unsigned long long bits) { return __builtin_popcountll(bits); }
static inline int __clz(int bits) { return bits ? __builtin_clz(bits) : 32; }
static inline int __ffs(int bits) { return __builtin_ffs(bits); }
// Approximations on a device, exact here.
#define __expf(x) std::exp((float)(x))  // the name itself belongs to the C library
static inline float __fdividef(float x, float y) { return x / y; }
template <class T> static inline T __ldg(const T* at) { return *at; }
template <class T> static inline T min(T a, T b) { return b < a ? b : a; }
template <class T> static inline T max(T a, T b) { return a < b ? b : a; }

// In place of PTX: the text leaves these two out where this is defined.
#define HALF_CONVERSIONS

static inline float float_of_half(unsigned short bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                 : exponent     ? std::ldexp(1024.0f + fraction, exponent - 25)
                                : std::ldexp((float)fraction, -24);
    return bits >> 15 ? -size : size;
}

static inline unsigned short half_of_float(float x) {
    unsigned sign = std::signbit(x) ? 0x8000u : 0u;
    double size = std::fabs((double)x);
    if (std::isnan(x)) return 0x7fff;  // as cvt.rn.f16.f32 has it
    if (size >= 65520.0) return sign | 0x7c00;
    if (size < 0x1p-14) return sign | (unsigned)std::nearbyint(std::ldexp(size, 24));
    int exponent = std::ilogb(size);
    // A fraction that rounds up to 2048 carries into the exponent, as it should.
    unsigned fraction = (unsigned)std::nearbyint(std::ldexp(size, 10 - exponent)) - 1024u;
    return sign | (((unsigned)(exponent + 15) << 10) + fraction);
}

namespace shim {

// The most dynamic shared memory that a launch may ask for without opting in, and a margin that nobody may touch.
constexpr std::size_t SHARED_BYTES = 48 * 1024, MARGIN_BYTES = 1024;
enum Outcome { DONE, OTHER_ARGUMENTS, IMPOSSIBLE_SHAPE, TOO_MUCH_SHARED_MEMORY, WROTE_BEYOND_SHARED_MEMORY };

// A parameter's kind as NumPy names it, a pointer being an unsigned number: u8, i4, f4.
template <class T> constexpr bool is_kind(const char* kind) {
    char letter = std::is_floating_point_v<T> ? 'f' : std::is_signed_v<T> ? 'i' : 'u';
    return kind[0] == letter && kind[1] == '0' + (int)sizeof(T);
}

template <class... A> bool are_kinds(void (*)(A...), const char* kinds, std::size_t count) {
    std::size_t at = 0;
    return count == sizeof...(A) && (is_kind<A>(kinds + 2 * at++) && ...);
}

// A launch outside of these is refused by the driver.
static inline bool is_possible(dim3 grid, dim3 block) {
    unsigned long long threads = 1ull * block.x * block.y * block.z;
    return threads && threads <= 1024 && block.z <= 64 && grid.x && grid.x < 1u << 31 && grid.y && grid.y < 1u << 16 &&
           grid.z && grid.z < 1u << 16;
}

template <class... A, std::size_t... I>
void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<A>*>(arguments[I])...);
}

static inline bool untouched(const unsigned char* from, std::size_t count) {
    while (count && *from == 0xff) ++from, --count;
    return count == 0;
}

// Every block finds its shared memory fresh: all bits set, which is NaN in every floating-point format.
template <class... A>
int run(void (*kernel)(A...), void* memory, dim3 grid, dim3 block, std::size_t shared_bytes, void** arguments) {
    if (!is_possible(grid, block)) return IMPOSSIBLE_SHAPE;
    if (shared_bytes > SHARED_BYTES) return TOO_MUCH_SHARED_MEMORY;
    gridDim = grid, blockDim = block;
    auto shared = static_cast<unsigned char*>(memory);
    for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
                if (shared) std::memset(shared, 0xff, shared_bytes + MARGIN_BYTES);
                for (threadIdx.z = 0; threadIdx.z < block.z; ++threadIdx.z)
                    for (threadIdx.y = 0; threadIdx.y < block.y; ++threadIdx.y)
                        for (threadIdx.x = 0; threadIdx.x < block.x; ++threadIdx.x)
                            call(kernel, arguments, std::index_sequence_for<A...>{});
                if (shared && !untouched(shared + shared_bytes, MARGIN_BYTES)) return WROTE_BEYOND_SHARED_MEMORY;
            }
    return DONE;
}

}  // namespace shim
