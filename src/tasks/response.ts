// A response in R1-Zero's format, read strictly. The prompt has opened `<think>`, so the response is `thinking </think>
// <answer> answer </answer>` with only white space between and after the tags.
//
// There are two rewards, so two judgments. The answer is the text in the only pair of answer tags after the first
// `</think>`; tags inside the thinking are ignored. Two answers, a nested or unclosed tag, an empty answer or a think
// tag after the thinking are no answer. The response is well-formed only if nothing else is wrong: some thinking, no
// tag in it, no text beside the tags. An answer counts even if the response is not well-formed. Contract: never throws;
// time proportional to the text; tags are exactly these characters. Source: DeepSeek-R1, section 2.2.

export interface ParsedResponse {
  /** Everything before the first `</think>`; the whole text where there is none. */
  readonly thinking: string;
  /** The text between the answer tags, unchanged; null where there is no answer. */
  readonly answer: string | null;
  readonly isWellFormed: boolean;
  /** The first thing that is wrong; null where the response is well-formed. */
  readonly problem: string | null;
}

const thinkEnd = '</think>';
const [answerStart, answerEnd] = ['<answer>', '</answer>'];
const anyTag = /<\/?(?:think|answer)>/;
// Tags with other names: a base has read many, and may take the wrong one.
const [otherStart, otherEnd] = [/<(?!think>|answer>)\w+>/, /<\/(?!think>|answer>)\w+>/];
const misnamed = (found: string, expected: string) => `${found.slice(0, 24)} stands in place of ${expected}`;

export function readResponse(text: string): ParsedResponse {
  const end = text.indexOf(thinkEnd);
  if (end < 0) {
    const other = otherEnd.exec(text)?.[0];
    const problem = other === undefined ? 'the thinking does not end' : misnamed(other, thinkEnd);
    return { thinking: text, answer: null, isWellFormed: false, problem };
  }
  const thinking = text.slice(0, end);
  const rest = text.slice(end + thinkEnd.length);
  const tagProblem = findTagProblem(rest);
  if (tagProblem !== null) return { thinking, answer: null, isWellFormed: false, problem: tagProblem };
  const [start, stop] = [rest.indexOf(answerStart), rest.indexOf(answerEnd)];
  const answer = rest.slice(start + answerStart.length, stop);
  if (answer.trim() === '') return { thinking, answer: null, isWellFormed: false, problem: 'the answer is empty' };
  const [before, after] = [rest.slice(0, start), rest.slice(stop + answerEnd.length)];
  const problem = findFormatProblem(thinking, before, after);
  return { thinking, answer, isWellFormed: problem === null, problem };
}

/**
 * Reads a response that is a reply in words: what follows the thinking, which may be empty, is the answer. Tags in it,
 * or nothing, are no reply.
 */
export function readReply(text: string): ParsedResponse {
  const end = text.indexOf(thinkEnd);
  const fail = (thinking: string, problem: string) => ({ thinking, answer: null, isWellFormed: false, problem });
  if (end < 0) return fail(text, 'the thinking does not end');
  const [thinking, reply] = [text.slice(0, end), text.slice(end + thinkEnd.length).trim()];
  const tag = anyTag.exec(reply)?.[0] ?? anyTag.exec(thinking)?.[0];
  if (tag !== undefined) return fail(thinking, `${tag} stands in a reply in words`);
  if (reply === '') return fail(thinking, 'the reply is empty');
  return { thinking, answer: reply, isWellFormed: true, problem: null };
}

/** Finds what keeps the tags after the thinking from being one answer. */
function findTagProblem(rest: string): string | null {
  const tags = new RegExp(anyTag, 'g');
  const [first, second, third] = [tags.exec(rest)?.[0], tags.exec(rest)?.[0], tags.exec(rest)?.[0]];
  if (first === undefined) {
    const other = otherStart.exec(rest)?.[0];
    return other === undefined ? 'there is no answer' : misnamed(other, answerStart);
  }
  if (first !== answerStart) return `${first} stands after the thinking, before an answer`;
  if (second === undefined) {
    const other = otherEnd.exec(rest)?.[0];
    return other === undefined ? 'the answer is not closed' : misnamed(other, answerEnd);
  }
  if (second !== answerEnd) return `${second} stands inside the answer`;
  return third === undefined ? null : `${third} stands after the answer`;
}

function findFormatProblem(thinking: string, before: string, after: string): string | null {
  const inside = anyTag.exec(thinking)?.[0];
  if (inside !== undefined) return `${inside} stands inside the thinking`;
  if (thinking.trim() === '') return 'there is no thinking';
  if (before.trim() !== '') return 'something stands between the thinking and the answer';
  return after.trim() === '' ? null : 'something stands after the answer';
}
