// The element types of tensors, and how neighbouring elements are read and written at once. No header: NVRTC has none.

struct Half {
    unsigned short bits;
};

struct BFloat16 {
    unsigned short bits;
};

#ifndef HALF_CONVERSIONS
__device__ inline float float_of_half(unsigned short bits) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
}

__device__ inline unsigned short half_of_float(float x) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
}
#endif

__device__ inline float widen(float x) { return x; }
__device__ inline float widen(Half x) { return float_of_half(x.bits); }
__device__ inline float widen(BFloat16 x) { return __uint_as_float((unsigned)x.bits << 16); }

__device__ inline void narrow(float x, float& out) { out = x; }
__device__ inline void narrow(float x, Half& out) { out.bits = half_of_float(x); }
__device__ inline void narrow(float x, signed char& out) { out = (signed char)(int)x; }

// To the nearest, halves to the even neighbour. A NaN stays one: rounding could carry it over into an infinity or zero.
__device__ inline void narrow(float x, BFloat16& out) {
    unsigned bits = __float_as_uint(x);
    out.bits = x != x ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

#define EACH(lane, count) _Pragma("unroll") for (int lane = 0; lane < count; ++lane)

// As many bytes as one load or store moves, 16 at most.
template <class E, int N> struct alignas(sizeof(E) * N < 16 ? sizeof(E) * N : 16) Pack {
    E at[N];
};

template <int N, class E> __device__ inline Pack<E, N> load_pack(const E* from) {
    return *reinterpret_cast<const Pack<E, N>*>(from);
}

template <class E, int N> __device__ inline void unpack(const Pack<E, N>& pack, float (&to)[N]) {
    EACH(lane, N) to[lane] = widen(pack.at[lane]);
}

template <class E, int N> __device__ inline Pack<E, N> packed(const float (&from)[N]) {
    Pack<E, N> pack;
    EACH(lane, N) narrow(from[lane], pack.at[lane]);
    return pack;
}

template <class E, int N> __device__ inline void load(const E* from, float (&to)[N]) {
    unpack(load_pack<N>(from), to);
}

template <class E, int N> __device__ inline void store(const float (&from)[N], E* to) {
    *reinterpret_cast<Pack<E, N>*>(to) = packed<E>(from);
}
