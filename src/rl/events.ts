// The events of a reinforcement learning run.
//
// Fields keep their first names, so that old runs can be read: silentGroups are zero-variance groups, formlessGroups
// those of them without a well-formed response, filled the number of them in the batch, checks the verification
// phrases.
import { z } from 'zod';
import { eventHead, measured, share, sharedEvents, stepHead, taskEvaluated } from '../train/index.ts';

const gateShares = {
  samples: z.number(),
  wellFormed: share.describe('responses of the base'),
  correct: share.describe('responses of the base'),
};

export const rlEvents = z.discriminatedUnion('event', [
  z.object({
    ...eventHead('started'),
    run: z.string(),
    parameters: z.number(),
    steps: z.number(),
    responsesPerStep: z.number(),
    device: z.string(),
  }),
  z.object({
    ...eventHead('gated'),
    ...gateShares,
    formProblems: z.record(z.string(), share).describe('what is wrong with the format, the most frequent first'),
    tasks: z.array(z.object({ task: z.string(), difficulty: z.number(), ...gateShares })),
    isPassed: z.boolean(),
  }),
  z.object({
    ...stepHead('step'),
    reward: z.number(),
    accuracy: share,
    format: share.describe('responses that are well-formed'),
    language: share.optional().describe('words of the thinking in the language of the problem, mean over responses'),
    replyScore: share.optional().describe("the reward model's mean score of replies to small talk"),
    ruleReward: z.number().optional().describe('the reward without that score, mean over responses'),
    tokens: z.number().describe('tokens of a response, mean'),
    tokensRight: measured.describe('tokens of a correct response; null without any'),
    tokensWrong: measured.describe('tokens of an incorrect response; null without any'),
    truncated: share.describe('responses that did not end by themselves'),
    silentGroups: share.describe('groups whose rewards are all equal, of those that were sampled'),
    formlessGroups: share.default(0).describe('such groups without a well-formed response'),
    stoppedGroups: share.default(0).describe('such groups that stopped after their first responses (pilot)'),
    formProblems: z
      .record(z.string(), share)
      .default({})
      .describe('what is wrong with the format of responses, the most frequent first'),
    rounds: z.number().default(1).describe('rounds of questions; more than one where groups were replaced'),
    filled: z.number().default(0).describe('zero-variance groups in the batch, for lack of others'),
    maxTokens: z.number().optional().describe('the most tokens that a response might have'),
    checks: z.number().describe('verification phrases in a response, mean'),
    loss: measured,
    kl: measured.describe('to the reference, nats per token'),
    clipped: measured.describe('share of tokens, over all updates'),
    entropy: measured.describe('nats per token'),
    mismatch: z.number().describe('tokens whose log-probability differs between rollout and training, in any bit'),
    bounded: z
      .number()
      .default(0)
      .describe('tokens more than 20 nats from the reference or the rollout, over all updates'),
    gradientNorm: measured,
    learningRate: z.number(),
    changed: share.optional().describe("tokens where the policy's most probable one is not the reference's"),
    draftAcceptance: share.optional().describe('tokens of responses that the first MTP module predicts'),
    mtpLoss: measured.optional().describe('of the MTP modules on the responses, nats per token'),
    maxVio: measured,
    load: z.array(z.array(z.number())).optional().describe('tokens of each expert, by MoE layer'),
    rolloutSeconds: z.number(),
    trainSeconds: z.number(),
    rolloutTokensPerSecond: z.number(),
    secondsLeft: z.number(),
    graded: z.number().default(0).describe('answers that the grader was asked about'),
    faults: z.number().describe('those of them whose grader failed; they count as incorrect'),
    fault: z.string().nullable().default(null).describe('what the first of them was'),
  }),
  z.object({
    ...stepHead('practiced'),
    task: z.string(),
    difficulty: z.number(),
    groups: z.number(),
    accuracy: share,
    learnability: z.number().describe('running mean of 4 p (1 - p) over groups, p the share of correct responses'),
    share: share.describe('the probability of the task for the next question'),
  }),
  z.object({ ...stepHead('fitted'), plateau: z.string().describe('where the accuracy levels off, in words') }),
  z.object({
    ...stepHead('lengthened'),
    from: z.number(),
    to: z.number().describe('the most tokens of a response from the next step on'),
    truncated: share.describe('responses cut off in the last steps'),
  }),
  taskEvaluated,
  z.object({
    ...stepHead('sampled'),
    prompt: z.string(),
    text: z.string(),
    verdict: z.string(),
    reward: z.number(),
  }),
  ...sharedEvents,
]);

export type RlEvent = z.infer<typeof rlEvents>;
export type RlGateEvent = Extract<RlEvent, { event: 'gated' }>;
export type RlStepEvent = Extract<RlEvent, { event: 'step' }>;
