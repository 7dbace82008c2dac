// Peers of the engine: llama-bench and llama-batched-bench of llama.cpp or ik_llama.cpp, run on the same GGUF file.
//
// The first measures one sequence, the second many; the file's name tells which. Each call is a process that
// loads the model again; only its own measurement counts.
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { basename, resolve } from 'node:path';

export interface EnginePeer {
  readonly name: string;
  readonly binary: string;
  /** Further arguments: for ik_llama.cpp `-rtr 1` (llama-bench) or `-rtr` (llama-batched-bench). */
  readonly args: readonly string[];
}

export const isBatched = ({ binary }: EnginePeer) => basename(binary).startsWith('llama-batched-bench');

/** Parses NAME=PATH or NAME=PATH,argument,argument; null when it is neither. */
export function parsePeer(text: string): EnginePeer | null {
  const at = text.indexOf('=');
  const [binary, ...args] = text.slice(at + 1).split(',') as [string, ...string[]];
  return at <= 0 || binary === '' ? null : { name: text.slice(0, at), binary, args };
}

function run({ name, binary }: EnginePeer, args: readonly string[]): { stdout: string; stderr: string } {
  // They write a log into the working folder.
  const options = { cwd: tmpdir(), encoding: 'utf8', maxBuffer: 2 ** 26 } as const;
  const { status, stdout, stderr, error } = spawnSync(resolve(binary), args, options);
  if (error) throw error;
  if (status !== 0) throw new Error(`${name}: ${binary} ended with ${status}: ${stderr.trim().split('\n').at(-1)}`);
  return { stdout, stderr };
}

/** Returns the tokens/s that llama-bench measures in one test. */
export function measureRate(peer: EnginePeer, model: string, threads: number, test: readonly string[]): number {
  const options = ['-m', resolve(model), '-t', `${threads}`, '-r', '1', '-o', 'json'];
  const { stdout } = run(peer, [...options, ...test, ...peer.args]);
  const [result] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as { avg_ts: number }[];
  return result?.avg_ts ?? 0;
}

interface BatchedTest {
  readonly promptLength: number;
  readonly tokens: number;
  /** Numbers of sequences at once. */
  readonly parallel: readonly number[];
}

/** Returns the decode tokens/s that llama-batched-bench measures, by the number of sequences. */
export function measureBatchedRates(
  peer: EnginePeer,
  model: string,
  threads: number,
  { promptLength, tokens, parallel }: BatchedTest,
): Map<number, number> {
  const room = Math.max(...parallel) * (promptLength + tokens);
  const shape = ['-npp', `${promptLength}`, '-ntg', `${tokens}`, '-npl', parallel.join(',')];
  const limits = ['-c', `${room + 256}`, '-b', '2048', '-ub', '512', '-t', `${threads}`, '-tb', `${threads}`];
  const { stdout, stderr } = run(peer, ['-m', resolve(model), ...limits, ...shape, ...peer.args]);
  const rates = parseBatchedRates(`${stdout}\n${stderr}`);
  for (const count of parallel)
    if (!rates.has(count))
      throw new Error(`${peer.name}: no line for ${count} sequences in the output of ${peer.binary}`);
  return rates;
}

/**
 * Reads `S_TG t/s` by `B` from the lines of its table:
 * `|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |`.
 */
export function parseBatchedRates(output: string): Map<number, number> {
  const lines = output.matchAll(/^\|(?: *[\d.]+ *\|){10}\s*$/gm);
  return new Map(
    [...lines].map(([line]) => {
      const cells = line.split('|').map((cell) => Number(cell));
      return [cells[3], cells[8]];
    }),
  );
}
