// GET /v1/models and /v1/models/{id}, and why no model here makes embeddings.
import type { TextModel } from '../engine/index.ts';
import { findModel, type ServerContext } from './context.ts';
import { ApiError } from './errors.ts';
import type { EmbeddingsRequest } from './protocol.ts';

const describe = ({ startedAt }: ServerContext, id: string, { contextLength }: TextModel) => ({
  id,
  object: 'model',
  created: startedAt,
  owned_by: 'minke',
  max_model_len: contextLength,
});

export function listModels(context: ServerContext): Response {
  const { models, aliases } = context;
  const others = Object.entries(aliases).flatMap(([alias, name]) =>
    models.filter((model) => model.name === name).map((model) => describe(context, alias, model)),
  );
  const own = models.map((model) => describe(context, model.name, model));
  return Response.json({ object: 'list', data: [...own, ...others] });
}

export const showModel = (context: ServerContext, id: string): Response =>
  Response.json(describe(context, id, findModel(context, id)));

/** Throws ApiError 400: hidden states of a model that predicts tokens are no embeddings. */
export function refuseEmbeddings(context: ServerContext, { model }: EmbeddingsRequest): never {
  const { name } = findModel(context, model);
  throw new ApiError(
    400,
    `model: ${name} was trained to predict tokens, not for embeddings: ask a server with a model that was`,
    { param: 'model', code: 'unsupported_model' },
  );
}
