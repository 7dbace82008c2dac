// minke: one verb a file.
import { Command } from 'commander';
import { doctor } from './doctor.ts';

const program = new Command('minke').description('The DeepSeek-V3/R1 recipe as one TypeScript program.');
program.command('doctor').description('what runs the math here, how fast, what is slow and why').action(doctor);

await program.parseAsync();
