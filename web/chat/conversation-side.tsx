// The list of conversations: beside the page on wide screens, in a drawer on narrow ones.
import { useEffect, useRef } from 'preact/hooks';
import './conversation-side.css';
import { Icon, IconButton } from '../shell/icon.tsx';
import { goTo, route } from '../shell/route.ts';
import { ConversationItem } from './conversation-item.tsx';
import { conversations, isLoaded, openConversation } from './conversations.ts';

function startConversation(): void {
  goTo('chat');
  document.querySelector<HTMLTextAreaElement>('.composer textarea')?.focus();
}

function ConversationList() {
  const open = openConversation.value?.id;
  return (
    <nav class="side-list" aria-label="Conversations">
      <button type="button" class="button side-new" onClick={startConversation}>
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
        isLoaded.value && <p class="quiet small side-none">Your conversations are stored only in this browser.</p>
      )}
    </nav>
  );
}

export function ConversationSide() {
  return (
    <aside class="side" aria-label="Stored conversations">
      <ConversationList />
    </aside>
  );
}

/** For narrow screens: a bar with the title, and the list as a drawer. */
export function ConversationDrawer() {
  const drawer = useRef<HTMLDialogElement>(null);
  const close = () => drawer.current?.close();
  const { id } = route.value;
  useEffect(close, [id]); // the back button leads elsewhere
  return (
    <div class="chat-bar">
      <IconButton icon="list" label="Conversations" look="quiet" onClick={() => drawer.current?.showModal()} />
      <span class="chat-bar-title">{openConversation.value?.title ?? ''}</span>
      <IconButton icon="plus" label="New conversation" look="quiet" onClick={startConversation} />
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog by itself */}
      <dialog
        ref={drawer}
        class="drawer"
        aria-label="Conversations"
        onClick={(event) => {
          // A click beside the drawer, on a conversation or on "New conversation" closes it.
          const target = event.target as Element;
          if (target === drawer.current || target.closest('a, .side-new') !== null) close();
        }}
      >
        <IconButton icon="close" label="Close" look="quiet drawer-close" onClick={close} />
        <ConversationList />
      </dialog>
    </div>
  );
}
