// The chat page.
export function ChatPage() {
  return <h1 class="page-note">Chat</h1>;
}
