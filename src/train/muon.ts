// Orthogonalization for Muon: five Newton-Schulz iterations bring all singular values of the momentum near one.
//
// Rare directions of the gradient then count as much as frequent ones, and a small model learns from fewer tokens.
// Scaled as in Moonlight, so that an update is as large as AdamW's and both share rate and decay. Weights [E, N, K] are
// E matrices. bf16 GEMMs. Sources: Jordan et al. 2024 (kellerjordan.github.io/posts/muon); Liu et al. 2025, "Muon is
// Scalable for LLM Training", section 2.2. Left out: gate and up projection as separate
// matrices; shards over machines.
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

/** p(s) = a s + b s^3 + c s^5 moves a singular value s in (0, 1] towards 1, fast and not exactly: to 0.7 to 1.2. */
const [a, b, c] = [3.4445, -4.775, 2.0315] as const;
const iterations = 5;
/** The root mean square of AdamW's updates. */
const adamwRms = 0.2;

export class Orthogonalizer {
  /** Multiplied by it, a direction is as large as AdamW's update. */
  readonly factor: number;
  readonly #groups: number;
  readonly #rows: number;
  readonly #cols: number;
  /** [N K]: ones, as the gain of a norm without one. */
  readonly #ones: Tensor;
  /** [G + 1]: the first row of each matrix, with its short side as rows. */
  readonly #offsets: Tensor;

  /** Makes one for weights of the shape [N, K] or [E, N, K]. */
  constructor({ shape, device }: Tensor) {
    this.#groups = shape.length === 3 ? shape[0] : 1;
    [this.#rows, this.#cols] = shape.slice(-2) as [number, number];
    const [short, long] = [Math.min(this.#rows, this.#cols), Math.max(this.#rows, this.#cols)];
    this.factor = adamwRms * Math.sqrt(long);
    this.#ones = keep(full([this.#rows * this.#cols], 1, { device }));
    const offsets = Int32Array.from({ length: this.#groups + 1 }, (_, i) => i * short);
    this.#offsets = keep(fromArray(offsets, [this.#groups + 1], { device }));
  }

  /** Returns a direction with the shape of x: nearly U V^T for each matrix U S V^T. */
  orthogonalize(x: Tensor): Tensor {
    const [rows, cols] = [this.#rows, this.#cols];
    const size = rows * cols;
    // Frobenius norm 1, so that no singular value is above 1.
    const unit = scale(rmsNorm(reshape(x, [this.#groups, size]), this.#ones, 1e-30), size ** -0.5);
    const isTall = rows > cols;
    const wide = isTall ? this.#transpose(unit, rows, cols) : unit;
    const direction = this.#iterate(wide, Math.min(rows, cols), Math.max(rows, cols));
    return reshape(isTall ? this.#transpose(direction, cols, rows) : direction, x.shape);
  }

  /** Iterates on x [G, short, long], as rows. */
  #iterate(start: Tensor, short: number, long: number): Tensor {
    const times = (x: Tensor, w: Tensor, cols: number) =>
      groupedLinear(x, reshape(w, [this.#groups, w.size / cols / this.#groups, cols]), this.#offsets, {
        precision: 'bf16',
      });
    let x = reshape(start, [this.#groups * short, long]);
    for (let i = 0; i < iterations; i++) {
      const square = times(x, x, long); // X X^T [G short, short]
      const polynomial = add(scale(square, b), scale(times(square, square, short), c));
      x = add(scale(x, a), times(polynomial, this.#transpose(x, short, long), short));
    }
    return x;
  }

  /** Transposes each matrix. */
  #transpose(x: Tensor, rows: number, cols: number): Tensor {
    return reshape(permute(reshape(x, [this.#groups, rows, cols]), [0, 2, 1]), [this.#groups * cols, rows]);
  }

  dispose(): void {
    this.#ones.dispose();
    this.#offsets.dispose();
  }
}
