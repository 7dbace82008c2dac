// How a model writes calls of functions, recognized by its chat template: DeepSeek's, Qwen's, and Llama's.
//
// Sources: the chat templates of DeepSeek V3, R1, V3.1, Qwen 2.5 and 3 (Hermes' format), Llama 3.1 to 3.3.
import type { CallSyntax } from '../grammar/index.ts';

const deepseek = {
  open: '<｜tool▁calls▁begin｜>',
  between: '\n',
  close: '<｜tool▁calls▁end｜>',
  beforeName: '<｜tool▁call▁begin｜>function<｜tool▁sep｜>',
  afterName: '\n```json\n',
  afterArguments: '\n```<｜tool▁call▁end｜>',
} as const satisfies CallSyntax;

/** V3.1 writes neither `function` nor a fence. */
const deepseek31: CallSyntax = {
  ...deepseek,
  between: '',
  beforeName: '<｜tool▁call▁begin｜>',
  afterName: '<｜tool▁sep｜>',
  afterArguments: '<｜tool▁call▁end｜>',
};

const hermes: CallSyntax = {
  open: '<tool_call>',
  between: '\n<tool_call>',
  close: '',
  beforeName: '\n{"name": "',
  afterName: '", "arguments": ',
  afterArguments: '}\n</tool_call>',
};

const llama: CallSyntax = {
  open: '{"name": "',
  between: '; {"name": "',
  close: '',
  beforeName: '',
  afterName: '", "parameters": ',
  afterArguments: '}',
};

/** Returns the syntax of a model's chat template; null: it has none that is known here. */
export function findCallSyntax(template: string): CallSyntax | null {
  if (template.includes(deepseek.open)) return template.includes('```json') ? deepseek : deepseek31;
  if (template.includes('<tool_call>')) return template.includes('<function=') ? null : hermes;
  return template.includes('<|eot_id|>') && template.includes('"parameters": ') ? llama : null;
}
