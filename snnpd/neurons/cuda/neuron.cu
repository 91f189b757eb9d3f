// Spiking neurons over all time steps in one pass: forward, back-propagation through time, and the affine's gradient.
//
// A thread owns LANES neighbouring neurons and loops over time; no thread speaks to another. What the arrays hold and
// what is computed is said in snnpd/neurons/launch.py. Products and sums are contracted only where fmaf is written.
// VALUES is 1 where a thread's neurons share a channel, else LANES.

#include "equations.cu"

// Where a thread's neurons lie: the first one's number, its place in a step of the input, and its channel.
struct Seat {
    long long neuron, at, channel, inside, channel_inner, num_channels;

    __device__ Seat(int lanes, long long inner, long long pitch, long long channel_inner, long long num_channels)
        : channel(0), inside(0), channel_inner(channel_inner), num_channels(num_channels) {
        neuron = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * lanes;
        at = neuron / inner * pitch + neuron % inner;
        if (num_channels == 1) return;
        channel = neuron / channel_inner % num_channels;
        inside = neuron % channel_inner;
    }

    // A row of a table `[rows, num_channels]`: a number for each lane, or one for all.
    template <int VALUES> __device__ void read(const float* table, int row, float (&out)[VALUES]) const {
        long long from = channel, place = inside;
        EACH(lane, VALUES) {
            out[lane] = table[row * num_channels + from];
            if (++place >= channel_inner) place = 0, from = from + 1 < num_channels ? from + 1 : 0;
        }
    }
};

template <int VALUES> struct Values {
    float decay[VALUES], threshold[VALUES], lower[VALUES], amplitude[VALUES], scale[VALUES], shift[VALUES];

    __device__ Values(const float* table, const Seat& seat) {
        seat.read(table, DECAY, decay);
        seat.read(table, THRESHOLD, threshold);
        seat.read(table, LOWER_THRESHOLD, lower);
        seat.read(table, AMPLITUDE, amplitude);
        seat.read(table, SCALE, scale);
        seat.read(table, SHIFT, shift);
    }

    template <int LANES> __device__ void normalise(float (&y)[LANES]) const {
        EACH(lane, LANES) y[lane] = fmaf(scale[lane % VALUES], y[lane], shift[lane % VALUES]);
    }
};

template <int ALPHABET, bool HARD, class E, int LANES, int VALUES>
__global__ void forward(
    const E* __restrict__ x, const E* __restrict__ skip, const float* __restrict__ state,
    const float* __restrict__ table, void* __restrict__ spikes, float* __restrict__ next_state,
    float* __restrict__ potentials, E* __restrict__ total, long long num_steps, long long num_neurons, long long inner,
    long long pitch, long long step, long long channel_inner, long long num_channels, int flags, float rest,
    float levels
) {
    const Seat seat(LANES, inner, pitch, channel_inner, num_channels);
    if (seat.neuron >= num_neurons) return;
    const Values<VALUES> value(table, seat);
    float h[LANES], y[LANES], u[LANES], spike[LANES];
    load(state + seat.neuron, h);
    x += seat.at;
    // A step ahead of its use, so that twice as many bytes are under way.
    Pack<E, LANES> ahead = load_pack<LANES>(x);
    for (long long t = 0, at = seat.neuron; t < num_steps; ++t, at += num_neurons) {
        unpack(ahead, y);
        if (t + 1 < num_steps) ahead = load_pack<LANES>(x += step);
        if (flags & AFFINE) value.normalise(y);
        if (skip) {
            float other[LANES];
            load(skip + at, other);
            EACH(lane, LANES) y[lane] += other[lane];
        }
        if (total) {
            const Pack<E, LANES> rounded = packed<E>(y);
            *reinterpret_cast<Pack<E, LANES>*>(total + at) = rounded;
            unpack(rounded, y);
        }
        EACH(lane, LANES) {
            const int of = lane % VALUES;
            u[lane] = charge(y[lane], h[lane], value.decay[of], rest, flags);
            spike[lane] = fire<ALPHABET>(u[lane], value.threshold[of], value.lower[of], levels);
            h[lane] = reset<ALPHABET, HARD>(u[lane], spike[lane], value.threshold[of], value.lower[of], rest);
            spike[lane] *= value.amplitude[of];
        }
        if (potentials) store(u, potentials + at);
        if (flags & INT8_SPIKES) store(spike, static_cast<signed char*>(spikes) + at);
        else store(spike, static_cast<E*>(spikes) + at);
    }
    store(h, next_state + seat.neuron);
}

// The potentials that a thread has computed again, in its column of shared memory; slots of 16 bytes side by side for
// all threads, so that no two of them ask one bank.
template <int LANES> struct Column {
    static constexpr int WIDTH = LANES < 4 ? LANES : 4;

    __device__ static float* place(long long slot, int part) {
        extern __shared__ float columns[];
        return columns + ((slot * (LANES / WIDTH) + part) * blockDim.x + threadIdx.x) * WIDTH;
    }

    __device__ static void keep(long long slot, const float (&u)[LANES]) {
        EACH(part, LANES / WIDTH) {
            Pack<float, WIDTH> pack;
            EACH(lane, WIDTH) pack.at[lane] = u[part * WIDTH + lane];
            *reinterpret_cast<Pack<float, WIDTH>*>(place(slot, part)) = pack;
        }
    }

    __device__ static void recall(long long slot, float (&u)[LANES]) {
        EACH(part, LANES / WIDTH) {
            const Pack<float, WIDTH> pack = load_pack<WIDTH>(place(slot, part));
            EACH(lane, WIDTH) u[part * WIDTH + lane] = pack.at[lane];
        }
    }
};

// Without `potentials` they are computed again from `total`, or from `x` without that. `capacity` is the number of
// steps that shared memory holds, 2 at least: a longer sequence is gone through from its start once for each stretch
// that fits; stretches share a step where the state before a step is asked for. `learned` has a bit for each Row, and
// none unless VALUES is LANES.
template <int ALPHABET, bool HARD, class E, int LANES, int VALUES>
__global__ void backward(
    const E* __restrict__ x, const float* __restrict__ potentials, const E* __restrict__ total,
    const float* __restrict__ state, const float* __restrict__ table, const E* __restrict__ grad_spikes,
    const E* __restrict__ grad_sum, const float* __restrict__ grad_next_state, E* __restrict__ grad_total,
    float* __restrict__ grad_state, float* __restrict__ sums, long long num_steps, long long capacity,
    long long num_neurons, long long inner, long long pitch, long long step, long long channel_inner,
    long long num_channels, int learned, int flags, int surrogate, float height, float width, float rest, float levels
) {
    constexpr bool LEARNS = VALUES == LANES;
    constexpr int SIDES = ALPHABET == TERNARY ? 2 : 1;
    const Seat seat(LANES, inner, pitch, channel_inner, num_channels);
    if (seat.neuron >= num_neurons) return;
    const Values<VALUES> value(table, seat);

    auto read_x = [&](long long t, float (&out)[LANES]) { load(x + t * step + seat.at, out); };
    auto integrated = [&](long long t, float (&y)[LANES]) {
        if (total) return load(total + t * num_neurons + seat.neuron, y);
        read_x(t, y);
        if (flags & AFFINE) value.normalise(y);
    };
    auto fired = [&](float u, int of) { return fire<ALPHABET>(u, value.threshold[of], value.lower[of], levels); };
    auto after = [&](float u, int of) {
        return reset<ALPHABET, HARD>(u, fired(u, of), value.threshold[of], value.lower[of], rest);
    };

    float grad_h[LANES] = {}, parts[ROWS][LANES] = {};
    if (grad_next_state) load(grad_next_state + seat.neuron, grad_h);
    for (long long end = num_steps; end > 0;) {
        const long long first = potentials || end <= capacity ? 0 : end - capacity;
        const long long begin = first && LEARNS ? first + 1 : first;
        if (!potentials) {
            float h[LANES], y[LANES], u[LANES];
            load(state + seat.neuron, h);
            for (long long t = 0; t < end; ++t) {
                integrated(t, y);
                EACH(lane, LANES) {
                    const int of = lane % VALUES;
                    u[lane] = charge(y[lane], h[lane], value.decay[of], rest, flags);
                    h[lane] = after(u[lane], of);
                }
                if (t >= first) Column<LANES>::keep(t - first, u);
            }
        }
        auto potential = [&](long long t, float (&u)[LANES]) {
            if (potentials) load(potentials + t * num_neurons + seat.neuron, u);
            else Column<LANES>::recall(t - first, u);
        };
        float u[LANES], before[LANES];
        potential(end - 1, u);
        for (long long t = end - 1; t >= begin; --t) {
            const long long at = t * num_neurons + seat.neuron;
            float grad_spike[LANES], grad_u[LANES], out[LANES] = {}, slope[SIDES * LANES];
            load(grad_spikes + at, grad_spike);
            if (grad_sum) load(grad_sum + at, out);
            if (t > first) potential(t - 1, before);
            EACH(lane, LANES) {
                slope[lane] = u[lane] - value.threshold[lane % VALUES];
                if (SIDES == 2) slope[LANES + lane] = -u[lane] - value.lower[lane % VALUES];
            }
            if (ALPHABET != INTEGER) derive(slope, surrogate, height, width);
            EACH(lane, LANES) {
                const int of = lane % VALUES;
                const float spike = fired(u[lane], of), fall = SIDES == 2 ? slope[LANES + lane] : 0.0f;
                const float rise =
                    ALPHABET == INTEGER ? count_slope(u[lane], value.threshold[of], levels) : slope[lane];
                const Jacobian d = differentiate<ALPHABET, HARD>(
                    u[lane], spike, rise, fall, value.threshold[of], value.lower[of], rest, flags & DETACH_RESET);
                const float grad_event = value.amplitude[of] * grad_spike[lane];
                grad_u[lane] = grad_event * d.spike_u + grad_h[lane] * d.state_u;
                out[lane] += gain(value.decay[of], flags) * grad_u[lane];
                if (LEARNS) {
                    parts[THRESHOLD][lane] += grad_event * d.spike_threshold + grad_h[lane] * d.state_threshold;
                    parts[LOWER_THRESHOLD][lane] += grad_event * d.spike_lower + grad_h[lane] * d.state_lower;
                    parts[AMPLITUDE][lane] += grad_spike[lane] * spike;
                    parts[SHIFT][lane] += out[lane];
                }
                grad_h[lane] = value.decay[of] * grad_u[lane];
            }
            store(out, grad_total + at);
            if (LEARNS && learned >> SCALE & 1) {
                float raw[LANES];
                read_x(t, raw);
                EACH(lane, LANES) parts[SCALE][lane] += out[lane] * raw[lane];
            }
            if (LEARNS && learned >> DECAY & 1) {
                float h[LANES], y[LANES] = {};
                if (t == 0) load(state + seat.neuron, h);
                else EACH(lane, LANES) h[lane] = after(before[lane], lane % VALUES);
                if (flags & DECAY_INPUT) integrated(t, y);
                EACH(lane, LANES) parts[DECAY][lane] += grad_u[lane] * (h[lane] - rest - y[lane]);
            }
            EACH(lane, LANES) u[lane] = before[lane];
        }
        end = begin;
    }
    store(grad_h, grad_state + seat.neuron);
    if (LEARNS) EACH(row, ROWS) if (learned >> row & 1) store(parts[row], sums + row * num_neurons + seat.neuron);
}

// out = factors[0] · grad + factors[1] · x + factors[2]; `out` may be `grad`, x null.
template <class E, int LANES, int VALUES>
__global__ void affine_backward(
    const float* __restrict__ factors, const E* __restrict__ x, const E* grad, E* out, long long num_steps,
    long long num_neurons, long long inner, long long pitch, long long step, long long channel_inner,
    long long num_channels
) {
    const Seat seat(LANES, inner, pitch, channel_inner, num_channels);
    if (seat.neuron >= num_neurons) return;
    float by_grad[VALUES], by_x[VALUES], constant[VALUES], y[LANES], z[LANES];
    seat.read(factors, 0, by_grad);
    seat.read(factors, 1, by_x);
    seat.read(factors, 2, constant);
    for (long long t = 0, at = seat.neuron; t < num_steps; ++t, at += num_neurons) {
        load(grad + at, y);
        EACH(lane, LANES) z[lane] = constant[lane % VALUES];
        if (x) {
            float raw[LANES];
            load(x + t * step + seat.at, raw);
            EACH(lane, LANES) z[lane] = fmaf(by_x[lane % VALUES], raw[lane], z[lane]);
        }
        EACH(lane, LANES) z[lane] = fmaf(by_grad[lane % VALUES], y[lane], z[lane]);
        store(z, out + at);
    }
}
