// Ternary attention on packed bits: one thread a row finds its Shiftmax, then one thread a row and eight channels sums.
// Scores are counted anew in every pass, which costs two popcounts a word; nothing of the map is kept.

typedef unsigned long long Word;

// Channels of one thread, and of one aligned load of 16-bit values.
constexpr int CHANNELS = 8;
// As in the integer Shiftmax that this equals: a row's sum is two words of this many fraction bits.
constexpr int FRACTION = 40;
// The γ of a row without support points.
constexpr int EMPTY = -(1 << 30);

// Sums wrap around where they outgrow their word, which only unsigned numbers may.
template <class Sum> struct Wrapping;
template <> struct Wrapping<int> { typedef unsigned type; };
template <> struct Wrapping<long long> { typedef Word type; };

template <class Value> struct __align__(16) Chunk { Value of[CHANNELS]; };

// What both kernels are told of queries, keys and masks, laid out as `Operands` says.
#define POINTS                                                                                                      \
    const Word *q_sign, const Word *q_nonzero, const Word *k_sign, const Word *k_nonzero,                           \
        const unsigned char *present, const long long *which, long long num_rows, int num_groups, int num_queries,  \
        int num_points, int words, int num_masks, int score_shift
#define THE_POINTS                                                                                                  \
    q_sign, q_nonzero, k_sign, k_nonzero, present, which, num_rows, num_groups, num_queries, num_points, words,     \
        num_masks, score_shift

// One query and the support points of its group. WORDS is the number of words of a point, 0 if only `words` tells it.
template <int WORDS> struct Row {
    const Word *q_sign, *q_nonzero, *k_sign, *k_nonzero;
    const unsigned char* present;
    int words, num_points, score_shift;

    __device__ Row(long long row, POINTS)
        : words(words), num_points(num_points), score_shift(score_shift) {
        long long group = row / num_queries, query = row % num_queries;
        long long of_q = (which[group] * num_queries + query) * words;
        long long of_k = which[num_groups + group] * words * num_points;
        this->q_sign = q_sign + of_q, this->q_nonzero = q_nonzero + of_q;
        this->k_sign = k_sign + of_k, this->k_nonzero = k_nonzero + of_k;
        long long of_mask = which[3ll * num_groups + group] * num_masks + (num_masks > 1 ? query : 0);
        this->present = present ? present + of_mask * num_points : nullptr;
    }

    __device__ bool has(int key) const { return !present || present[key]; }

    __device__ int score(int key) const {
        int total = 0;
        for (int word = 0; word < (WORDS ? WORDS : words); ++word) {
            long long at = (long long)word * num_points + key;
            Word both = q_nonzero[word] & k_nonzero[at];
            total += __popcll(both) - 2 * __popcll(both & (q_sign[word] ^ k_sign[at]));
        }
        return total >> score_shift;
    }
};

// γ = ⌈log2 Σ 2^score⌉ of each row, and for `bits` > 0 its first largest score and what its numerators lack to 2^bits.
template <int WORDS>
__global__ void __launch_bounds__(128)
    shiftmax(POINTS, int bits, int* gammas, int* firsts, int* missing) {
    long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= num_rows) return;
    Row<WORDS> row(at, THE_POINTS);
    int top = EMPTY, first = 0;
    for (int key = 0; key < num_points; ++key) {
        int score = row.has(key) ? row.score(key) : EMPTY;
        if (score > top) top = score, first = key;
    }
    gammas[at] = top;
    if (top == EMPTY) return;
    Word high = 0, low = 0;
    bool has_more = false;
    for (int key = 0; key < num_points; ++key) {
        if (!row.has(key)) continue;
        int depth = top - row.score(key);
        if (depth <= FRACTION) high += 1ull << (FRACTION - depth);
        else if (depth <= 2 * FRACTION) low += 1ull << (2 * FRACTION - depth);
        else has_more = true;
    }
    high += low >> FRACTION;
    has_more |= (low & ((1ull << FRACTION) - 1)) != 0;
    int length = FRACTION;
    while (high >> length > 1) ++length;
    int gamma = top + length - FRACTION + (high != 1ull << length || has_more);
    gammas[at] = gamma;
    if (!bits) return;
    int lacking = 1 << bits;
    for (int key = 0; key < num_points; ++key) {
        if (!row.has(key)) continue;
        int count = gamma - row.score(key);
        if (count <= bits) lacking -= 1 << (bits - count);
    }
    firsts[at] = first, missing[at] = lacking;
}

// Eight channels of a row: Σ v >> n for `bits` = 0, else ⌊Σ v numerator / 2^bits⌋. `signs` `[G, E]`, if given, is the
// sum of the signs of all present values (-1, or 0); then a value that keeps nothing else after its shift is left out,
// and the others are summed without theirs.
template <class Value, class Sum, int WORDS>
__global__ void __launch_bounds__(128)
    attend(POINTS, int bits, const int* gammas, const int* firsts, const int* missing, const Chunk<Value>* values,
           const long long* signs, int reach, int num_channels, long long* out) {
    typedef typename Wrapping<Sum>::type Bits;
    constexpr int LAST = 8 * sizeof(Value) - 1;
    long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= num_rows) return;
    Row<WORDS> row(at, THE_POINTS);
    long long group = at / num_queries;
    int num_chunks = gridDim.y, gamma = gammas[at];
    const Chunk<Value>* own = values + which[2ll * num_groups + group] * num_points * num_chunks + blockIdx.y;
    int most = bits ? bits : signs ? reach - 1 : 1 << 30;
    Bits sums[CHANNELS] = {};
    for (int key = 0; gamma != EMPTY && key < num_points; ++key) {
        if (!row.has(key)) continue;
        int count = gamma - row.score(key);
        if (count > most) continue;
        Chunk<Value> chunk = own[(long long)key * num_chunks];
        int places = bits ? bits - count : min(count, LAST);
        for (int channel = 0; channel < CHANNELS; ++channel) {
            Value value = chunk.of[channel];
            if (bits) sums[channel] += (Bits)value << places;
            else sums[channel] += (Bits)(value >> places) + (Bits)(signs && value < 0);
        }
    }
    for (int channel = 0; channel < CHANNELS; ++channel) {
        int place = blockIdx.y * CHANNELS + channel;
        if (place >= num_channels) return;
        long long total = (Sum)sums[channel];
        if (gamma != EMPTY && bits) {
            long long largest = own[(long long)firsts[at] * num_chunks].of[channel];
            total = (total + largest * missing[at]) >> bits;
        } else if (gamma != EMPTY && signs) {
            total += signs[group * num_channels + place];
        }
        out[at * num_channels + place] = total;
    }
}
