// minke convert: a checkpoint in another number format, a tensor at a time; config and tokenizer files come along.
import { copyFileSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openDevice } from '../kernels/index.ts';
import {
  byteLength,
  CheckpointError,
  convertCheckpoint,
  ignoredTensors,
  openCheckpoint,
  quantizationConfig,
  type WeightFormat,
  writeCheckpoint,
} from '../model/checkpoint/index.ts';
import { writeConfig } from '../model/index.ts';
import { useDevice } from '../tensor/index.ts';
import { configOf } from './inspect.ts';
import { Progress } from './progress.ts';

const formats: readonly string[] = ['f32', 'f16', 'bf16', 'fp8'];
const torchNames = { f32: 'float32', f16: 'float16', bf16: 'bfloat16', fp8: 'bfloat16' } as const;

/** Everything of a folder but weights and config.json: tokenizer, templates, generation settings, licence. */
function carryAlong(from: string, to: string): void {
  for (const file of readdirSync(from))
    if (/\.(json|txt|model|jinja|md)$|^LICENSE/.test(file) && !/^(config|model\.safetensors\.index)\.json$/.test(file))
      copyFileSync(join(from, file), join(to, file));
}

export async function convert(from: string, to: string, { dtype }: { dtype: string }): Promise<void> {
  if (!formats.includes(dtype))
    throw new CheckpointError('convert', `--dtype ${dtype}: expected one of ${formats.join(', ')}`, 'choose one');
  if (existsSync(to)) throw new CheckpointError(to, 'exists already', 'remove it or name another folder');
  const format = dtype as WeightFormat;
  const config = configOf(from);
  const source = await openCheckpoint(from);
  const device = openDevice();
  useDevice(device);
  try {
    const tensors = convertCheckpoint(config, source, format);
    const { quantization_config: _, torch_dtype: __, ...fields } = writeConfig(config);
    const quantization = quantizationConfig(format);
    const json = {
      ...fields,
      torch_dtype: torchNames[format],
      ...(quantization && { quantization_config: quantization }),
    };
    const progress = new Progress(
      `writing ${to}`,
      tensors.reduce((sum, tensor) => sum + byteLength(tensor), 0),
    );
    await writeCheckpoint(to, json, tensors, { written: (bytes) => progress.advance(bytes) });
    progress.end();
    carryAlong(from, to);
    for (const { name, why } of ignoredTensors(config, source)) console.log(`ignored ${name}: ${why}`);
    console.log(`${tensors.length} tensors as ${dtype} in ${to}`);
  } finally {
    await source.close();
    await device.close();
  }
}
