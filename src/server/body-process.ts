// The process that parses and checks large bodies.
import { serveJobs } from '../untrusted/index.ts';
import { doBodyJob } from './body-schemas.ts';

serveJobs(() => doBodyJob);
