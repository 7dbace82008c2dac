// What the program needs to know of the kinds of runs. It loads all of training: main.ts does so only where it must.
export { runKinds } from '../runs/index.ts';
export { addRunCommands } from './run.ts';
