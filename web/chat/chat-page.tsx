// The chat page: the list of conversations, the open one, and the composer.
import { useEffect } from 'preact/hooks';
import './chat-page.css';
import { keyProblem } from '../api/http.ts';
import { loadServerInfo, serverProblem } from '../api/server-info.ts';
import { Notice } from '../shell/notice.tsx';
import { Announcer } from './announce.tsx';
import { runningIn } from './answering.ts';
import { Composer } from './composer.tsx';
import { ConversationDrawer, ConversationSide } from './conversation-side.tsx';
import { isLoaded, loadConversations, openConversation, storageProblem } from './conversations.ts';
import { EmptyState } from './empty-state.tsx';
import { KeyForm } from './key-form.tsx';
import { Thread } from './thread.tsx';

function Problems() {
  return (
    <>
      {keyProblem.value !== null ? (
        <KeyForm />
      ) : (
        serverProblem.value !== null && (
          <Notice message={serverProblem.value} onRetry={() => void loadServerInfo()} look="chat-notice" />
        )
      )}
      {storageProblem.value !== null && <Notice message={storageProblem.value} look="chat-notice" />}
    </>
  );
}

/** Escape stops the answer, wherever the focus is, unless it closes a dialog. */
function useEscape(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open]') !== null) return;
      const id = openConversation.peek()?.id;
      if (id !== undefined) runningIn(id)?.stop();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
}

export function ChatPage() {
  useEffect(() => {
    void loadServerInfo();
    void loadConversations();
  }, []);
  useEscape();
  const conversation = openConversation.value;
  return (
    <div class="chat">
      <ConversationSide />
      <section class="chat-main" aria-label="Conversation">
        <ConversationDrawer />
        <Problems />
        {conversation !== null ? (
          <Thread key={conversation.id} conversation={conversation} />
        ) : (
          isLoaded.value && <EmptyState />
        )}
        <Composer conversation={conversation} />
      </section>
      <Announcer />
    </div>
  );
}
