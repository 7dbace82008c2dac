// The list of conversations: beside the page where there is room, behind a button where there is none.
import { useRef } from 'preact/hooks';
import './conversation-side.css';
import { Icon } from '../shell/icon.tsx';
import { goTo } from '../shell/route.ts';
import { ConversationItem } from './conversation-item.tsx';
import { conversations, isLoaded, openConversation } from './conversations.ts';

function begin(): void {
  goTo('chat');
  document.querySelector<HTMLTextAreaElement>('.composer textarea')?.focus();
}

function List() {
  const open = openConversation.value?.id;
  return (
    <nav class="side-list" aria-label="Conversations">
      <button type="button" class="button side-new" onClick={begin}>
        <Icon name="plus" />
        New conversation
      </button>
      {conversations.value.length > 0 ? (
        <ul>
          {conversations.value.map((conversation) => (
            <ConversationItem key={conversation.id} conversation={conversation} isOpen={conversation.id === open} />
          ))}
        </ul>
      ) : (
        isLoaded.value && <p class="quiet small side-none">What you talk about is kept here, in this browser alone.</p>
      )}
    </nav>
  );
}

export function ConversationSide() {
  return (
    <aside class="side" aria-label="Kept conversations">
      <List />
    </aside>
  );
}

/** For narrow pages: a bar with the title, and the list as a drawer. */
export function ConversationDrawer() {
  const drawer = useRef<HTMLDialogElement>(null);
  const close = () => drawer.current?.close();
  return (
    <div class="chat-bar">
      <button
        type="button"
        class="button icon quiet"
        aria-label="Conversations"
        onClick={() => drawer.current?.showModal()}
      >
        <Icon name="list" />
      </button>
      <span class="chat-bar-title">{openConversation.value?.title ?? ''}</span>
      <button type="button" class="button icon quiet" aria-label="New conversation" onClick={begin}>
        <Icon name="plus" />
      </button>
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog by itself */}
      <dialog
        ref={drawer}
        class="drawer"
        aria-label="Conversations"
        onClick={(event) => {
          // Beside the list, on a conversation, or on "new": there is nothing more to do here.
          const target = event.target as Element;
          if (target === drawer.current || target.closest('a, .side-new') !== null) close();
        }}
      >
        <button type="button" class="button icon quiet drawer-close" aria-label="Close" onClick={close}>
          <Icon name="close" />
        </button>
        <List />
      </dialog>
    </div>
  );
}
