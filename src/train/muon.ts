// What makes Muon's momentum a direction: five Newton-Schulz iterations, after which all singular values are near one.
//
// What a gradient says rarely then counts as much as what it says often, and a small model learns from fewer tokens.
// Scaled as in Moonlight, so that an update is as large as AdamW's and both share rate and decay. Weights [E, N, K] are
// E matrices. bf16 GEMMs. Sources: Jordan et al. 2024 (kellerjordan.github.io/posts/muon); Liu et al. 2025, "Muon is
// Scalable for LLM Training", section 2.2. Left out: gate and up projection apart; shards over machines.
import {
  add,
  fromArray,
  full,
  groupedLinear,
  keep,
  permute,
  reshape,
  rmsNorm,
  scale,
  type Tensor,
} from '../tensor/index.ts';

/** p(s) = a s + b s^3 + c s^5 drives a singular value s of (0, 1] towards 1, fast and not exactly: 0.7 to 1.2. */
const [a, b, c] = [3.4445, -4.775, 2.0315] as const;
const iterations = 5;
/** Root mean square of AdamW's updates. */
const adamwRms = 0.2;

export class Orthogonaliser {
  /** By which a direction is to be multiplied to be as large as AdamW's. */
  readonly factor: number;
  readonly #groups: number;
  readonly #rows: number;
  readonly #cols: number;
  /** [N K]: the gain of a norm that has none. */
  readonly #ones: Tensor;
  /** [G + 1]: where each matrix begins, lying down. */
  readonly #offsets: Tensor;

  /** For weights of the shape [N, K] or [E, N, K]. */
  constructor({ shape, device }: Tensor) {
    this.#groups = shape.length === 3 ? shape[0] : 1;
    [this.#rows, this.#cols] = shape.slice(-2) as [number, number];
    const [short, long] = [Math.min(this.#rows, this.#cols), Math.max(this.#rows, this.#cols)];
    this.factor = adamwRms * Math.sqrt(long);
    this.#ones = keep(full([this.#rows * this.#cols], 1, { device }));
    const offsets = Int32Array.from({ length: this.#groups + 1 }, (_, i) => i * short);
    this.#offsets = keep(fromArray(offsets, [this.#groups + 1], { device }));
  }

  /** A direction of the shape of x: U V^T of each matrix U S V^T, nearly. */
  readonly of = (x: Tensor): Tensor => {
    const [rows, cols] = [this.#rows, this.#cols];
    const size = rows * cols;
    // Frobenius norm 1, so that no singular value is above 1.
    const unit = scale(rmsNorm(reshape(x, [this.#groups, size]), this.#ones, 1e-30), size ** -0.5);
    const isTall = rows > cols;
    const lying = isTall ? this.#turned(unit, rows, cols) : unit;
    const flat = this.#iterate(lying, Math.min(rows, cols), Math.max(rows, cols));
    return reshape(isTall ? this.#turned(flat, cols, rows) : flat, x.shape);
  };

  /** x [G, short, long], as rows */
  #iterate(start: Tensor, short: number, long: number): Tensor {
    const times = (x: Tensor, w: Tensor, cols: number) =>
      groupedLinear(x, reshape(w, [this.#groups, w.size / cols / this.#groups, cols]), this.#offsets, {
        precision: 'bf16',
      });
    let x = reshape(start, [this.#groups * short, long]);
    for (let i = 0; i < iterations; i++) {
      const square = times(x, x, long); // X X^T [G short, short]
      const polynomial = add(scale(square, b), scale(times(square, square, short), c));
      x = add(scale(x, a), times(polynomial, this.#turned(x, short, long), short));
    }
    return x;
  }

  /** Transposes each matrix. */
  #turned(x: Tensor, rows: number, cols: number): Tensor {
    return reshape(permute(reshape(x, [this.#groups, rows, cols]), [0, 2, 1]), [this.#groups * cols, rows]);
  }

  dispose(): void {
    this.#ones.dispose();
    this.#offsets.dispose();
  }
}
