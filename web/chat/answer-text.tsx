// The text of an answer: markdown, and final answers between tags, as R1-Zero models write them, which are plain text.
import { Markdown } from './markdown/markdown.tsx';

interface AnswerSection {
  readonly kind: 'prose' | 'final';
  readonly text: string;
}

/** Splits a text into markdown and final answers. A final answer need not be closed yet. */
export function splitAnswer(text: string): AnswerSection[] {
  const parts: AnswerSection[] = [];
  const pattern = /<answer>([\s\S]*?)(?:<\/answer>|$)/g;
  let end = 0;
  const prose = (until: number) => {
    const between = text.slice(end, until);
    if (between.trim() !== '') parts.push({ kind: 'prose', text: between });
  };
  for (const match of text.matchAll(pattern)) {
    prose(match.index);
    parts.push({ kind: 'final', text: match[1].trim() });
    end = match.index + match[0].length;
  }
  prose(text.length);
  return parts;
}

export interface AnswerTextProps {
  readonly text: string;
  readonly isGrowing: boolean;
}

export function AnswerText({ text, isGrowing }: AnswerTextProps) {
  const parts = splitAnswer(text);
  return (
    <>
      {parts.map(({ kind, text: own }, i) =>
        kind === 'final' ? (
          <p key={i} class="final-answer">
            <span class="small">Answer</span> <strong>{own}</strong>
          </p>
        ) : (
          <Markdown key={i} text={own} isGrowing={isGrowing && i === parts.length - 1} />
        ),
      )}
    </>
  );
}
