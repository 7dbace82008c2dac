// minke: one verb a file.
import { Command } from 'commander';
import { MinkeError } from '../kernels/index.ts';
import { convert } from './convert.ts';
import { doctor } from './doctor.ts';
import { inspect } from './inspect.ts';

const program = new Command('minke').description('The DeepSeek-V3/R1 recipe as one TypeScript program.');

program.command('doctor').description('what runs the math here, how fast, what is slow and why').action(doctor);

program
  .command('inspect')
  .description('parameters, work and memory of a preset, config.json or checkpoint')
  .argument('<model>', 'a preset, a config.json, a checkpoint folder, a .safetensors or .gguf file')
  .option('--context <tokens>', 'tokens of a sequence', '4096')
  .option('--tensors', 'list the tensors of a checkpoint')
  .action(inspect);

program
  .command('convert')
  .description('write a checkpoint in another file or number format')
  .argument('<from>', 'a checkpoint folder or a .gguf file')
  .argument('<to>', 'a folder, or a .gguf file, that does not exist yet')
  .requiredOption('--dtype <format>', 'f32, f16, bf16; fp8 (blocks as DeepSeek releases them); q8_0, q4_0 (GGUF only)')
  .option('--mtp', 'keep MTP modules in a GGUF file, which llama.cpp then refuses')
  .action(convert);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof MinkeError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
