// A trained reward model: it scores responses by tokens, on the device of whoever asks.
//
// Contract: a response's score depends on its tokens alone, not on what is scored beside it. Scores are sigmoids: 0.5
// is as good as the mean of good and bad replies in its training.
import { join } from 'node:path';
import { hashFile } from '../corpus/index.ts';
import type { Device } from '../kernels/index.ts';
import { sum } from '../math/index.ts';
import { openCheckpoint } from '../model/checkpoint/index.ts';
import {
  createModel,
  type Model,
  type PrecisionName,
  precisions,
  type SequenceFlops,
  sequenceFlops,
  type WeightMap,
} from '../model/index.ts';
import { copy, noGrad, type Replay, record, scope, type Tensor } from '../tensor/index.ts';
import { loadTokenizer } from '../tokenizer/index.ts';
import { loadWeights, readBaseConfig, readLineage, TrainError, trainedKind } from '../train/index.ts';
import { computeScores, type ScoreOptions } from './score.ts';
import { packTexts, type ScoreInputs, scoreInputs, scoreShape } from './score-batch.ts';

/** Scores texts with a model whose weights may change between calls. Recorded once. */
export class Scorer {
  readonly #model: Model;
  readonly #options: ScoreOptions;
  readonly #device: Device;
  readonly #flops: SequenceFlops;
  /** FLOPs of all texts so far. */
  flops = 0;
  #replay: Replay<ScoreInputs, Tensor> | null = null;

  constructor(model: Model, options: ScoreOptions, device: Device) {
    this.#model = model;
    this.#options = options;
    this.#flops = sequenceFlops(model.config);
    this.#device = device;
  }

  /** Returns the logit of each text. */
  async score(texts: readonly ArrayLike<number>[]): Promise<number[]> {
    const { shape } = this.#options;
    const scores: number[] = [];
    for (const bin of packTexts(texts, (ids) => [ids], shape)) {
      const { read } = scope(() => ({ read: this.#run(scoreInputs(bin, shape, this.#device)) }));
      scores.push(...Array.from(await read).slice(0, bin.length));
    }
    this.flops += sum(texts.map(({ length }) => this.#flops.forward(length)));
    return scores;
  }

  dispose(): void {
    this.#replay?.dispose();
  }

  #run(inputs: ScoreInputs): Promise<ArrayLike<number>> {
    this.#replay ??= record(inputs, (...batch) =>
      noGrad(() => copy(computeScores(this.#model, batch, this.#options).scores)),
    );
    return this.#replay.replay(...inputs).read();
  }
}

export interface RewardModelOptions {
  /** The folder of the model whose responses are scored. */
  readonly scored: string;
  readonly precision: PrecisionName;
  readonly microBatchTokens: number;
  readonly device: Device;
}

export class RewardModel {
  readonly #scorer: Scorer;
  readonly #model: Model;
  readonly #weights: WeightMap;

  private constructor(scorer: Scorer, model: Model, weights: WeightMap) {
    this.#scorer = scorer;
    this.#model = model;
    this.#weights = weights;
  }

  /** Opens a checkpoint of `minke reward`. Throws TrainError where it is none, or has another vocabulary. */
  static async open(folder: string, options: RewardModelOptions): Promise<RewardModel> {
    const { scored, precision, microBatchTokens, device } = options;
    const config = readBaseConfig(folder);
    if (!isRewardModel(folder)) throw new TrainError(folder, 'is no reward model', 'name a checkpoint of minke reward');
    const [own, other] = await Promise.all([folder, scored].map((path) => hashFile(join(path, 'tokenizer.json'))));
    if (own !== other)
      throw new TrainError(
        folder,
        `has another vocabulary than ${scored}`,
        'train the reward model from a checkpoint with the tokenizer of the model that it scores',
      );
    const [endId] = loadTokenizer(folder).eosIds;
    const weights = await loadWeights(config, openCheckpoint(folder));
    const model = createModel(config, weights, config.maxPositionEmbeddings);
    const shape = scoreShape(microBatchTokens, config.maxPositionEmbeddings);
    const scorer = new Scorer(model, { shape, policy: precisions[precision], endId }, device);
    return new RewardModel(scorer, model, weights);
  }

  /** FLOPs of all scores so far. */
  get flops(): number {
    return this.#scorer.flops;
  }

  /** Returns a score from 0 to 1 for each prompt with its response and end token. */
  async score(texts: readonly ArrayLike<number>[]): Promise<number[]> {
    return (await this.#scorer.score(texts)).map((logit) => 1 / (1 + Math.exp(-logit)));
  }

  dispose(): void {
    for (const owned of [this.#scorer, this.#model, ...this.#weights.values()]) owned.dispose();
  }
}

/** Whether a folder holds weights that `minke reward` trained, converted or not. */
function isRewardModel(folder: string): boolean {
  const lineage = readLineage(folder);
  return lineage !== null && trainedKind(lineage) === 'reward';
}
