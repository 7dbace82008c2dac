// A message about a problem, with a button to try again where that may help.
export interface NoticeProps {
  readonly message: string;
  readonly onRetry?: (() => void) | null;
  readonly look?: string;
}

export function Notice({ message, onRetry = null, look = '' }: NoticeProps) {
  return (
    <div class={`notice ${look}`} role="alert">
      <span>{message}</span>
      {onRetry !== null && (
        <button type="button" class="button compact" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}
