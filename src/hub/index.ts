// Models by name: from ORG/NAME to files in the cache that Hugging Face's libraries share.
export { type CachedModel, listModels, removeModel } from './cached-models.ts';
export { HubError } from './errors.ts';
export { formatModelName, type ModelName, parseModelName } from './model-name.ts';
export { defaultPatience, type Patience } from './patience.ts';
export { type DownloadPlan, type PulledModel, type PullOptions, pullModel } from './pull.ts';
export { type Environment, type HubSettings, readHubSettings } from './settings.ts';
