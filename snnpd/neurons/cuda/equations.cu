// One step of the neurons and what differentiates it, for one neuron each; launch.py and spikes.py have the equations.

#include "numbers.cu"

enum Alphabet { BINARY, TERNARY, INTEGER };
enum Flag { DECAY_INPUT = 1, DETACH_RESET = 2, AFFINE = 4, INT8_SPIKES = 8 };
enum Row { DECAY, THRESHOLD, LOWER_THRESHOLD, AMPLITUDE, SCALE, SHIFT, ROWS };
enum Surrogate { STRAIGHT, ATAN, ERF, PIECEWISE_EXP, RECTANGLE, SIGMOID, SOFT_SIGN, SUPER_SPIKE, TRIANGLE };

__device__ inline float gain(float decay, int flags) { return flags & DECAY_INPUT ? 1.0f - decay : 1.0f; }

__device__ inline float charge(float y, float h, float decay, float rest, int flags) {
    return fmaf(decay, h - rest, gain(decay, flags) * y) + rest;
}

template <int ALPHABET> __device__ inline float fire(float u, float threshold, float lower, float levels) {
    if (ALPHABET == BINARY) return u >= threshold ? 1.0f : 0.0f;
    if (ALPHABET == TERNARY) return u >= threshold ? 1.0f : -u >= lower ? -1.0f : 0.0f;
    float worth = u / threshold;
    // By comparisons, which let a NaN through.
    return rintf(worth < 0.0f ? 0.0f : worth > levels ? levels : worth);
}

template <int ALPHABET, bool HARD>
__device__ inline float reset(float u, float spike, float threshold, float lower, float rest) {
    if (HARD) return spike != 0.0f ? rest : u;
    return fmaf(ALPHABET == TERNARY && spike < 0.0f ? -lower : -threshold, spike, u);
}

// The surrogate's derivative at every element of v, in its place; `height` and `width` are the launcher's constants.
// Quotients and powers are the processor's own, good to a few units in the last place: they only weigh gradients.
template <int N> __device__ inline void derive(float (&v)[N], int surrogate, float height, float width) {
    EACH(i, N) v[i] = fabsf(v[i]);
    switch (surrogate) {
    case ATAN:
        EACH(i, N) v[i] = __fdividef(height, 1.0f + width * v[i] * (width * v[i]));
        break;
    case ERF:
        EACH(i, N) v[i] = height * __expf(-(width * v[i] * (width * v[i])));
        break;
    case PIECEWISE_EXP:
        EACH(i, N) v[i] = height * __expf(-width * v[i]);
        break;
    case RECTANGLE:
        EACH(i, N) v[i] = v[i] < width ? height : 0.0f;
        break;
    case SIGMOID:
        EACH(i, N) v[i] = __expf(-width * v[i]);
        EACH(i, N) v[i] = __fdividef(height * v[i], (1.0f + v[i]) * (1.0f + v[i]));
        break;
    case SOFT_SIGN:
        EACH(i, N) v[i] = __fdividef(1.0f, height * ((width + v[i]) * (width + v[i])));
        break;
    case SUPER_SPIKE:
        EACH(i, N) v[i] = __fdividef(height, (1.0f + v[i]) * (1.0f + v[i]));
        break;
    case TRIANGLE:
        EACH(i, N) v[i] = v[i] <= width ? height - height * height * v[i] : 0.0f;
        break;
    }
}

// The derivative of an integer neuron's count: straight-through inside its window.
__device__ inline float count_slope(float u, float threshold, float levels) {
    const float worth = u / threshold;
    return worth >= 0.0f && worth <= levels ? 1.0f / threshold : 0.0f;
}

// What the spike s and the state h after it change by, for a change of the potential u and of the two thresholds.
struct Jacobian {
    float spike_u, state_u, spike_threshold, state_threshold, spike_lower, state_lower;
};

// `rise` and `fall` are the surrogate's derivatives at the upper and at the lower threshold; of an integer neuron
// `rise` is the derivative of its count.
template <int ALPHABET, bool HARD>
__device__ inline Jacobian differentiate(
    float u, float spike, float rise, float fall, float threshold, float lower, float rest, bool detached
) {
    // A count depends on u/θ, an event on u − θ.
    const float worth = ALPHABET == INTEGER ? u / threshold : 1.0f;
    Jacobian d;
    d.spike_u = rise + fall, d.spike_threshold = -rise * worth, d.spike_lower = fall;
    if (HARD) {
        const float jump = detached ? 0.0f : rest - u;
        d.state_u = (spike != 0.0f ? 0.0f : 1.0f) + jump * (rise - fall);
        d.state_threshold = -jump * rise, d.state_lower = -jump * fall;
    } else {
        const float down = detached ? 0.0f : threshold * rise, up = detached ? 0.0f : lower * fall;
        d.state_u = 1.0f - (down + up);
        d.state_threshold = (spike > 0.0f ? -spike : 0.0f) + down * worth;
        d.state_lower = (spike < 0.0f ? 1.0f : 0.0f) - up;
    }
    return d;
}
