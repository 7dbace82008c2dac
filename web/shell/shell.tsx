// What stands around every page: the mark, the way from one page to the other, the switch of light and dark.
import './shell.css';
import { ChatPage } from '../chat/chat-page.tsx';
import { LazyPage } from './lazy.tsx';
import { type PageName, route, toHash } from './route.ts';
import { currentTheme, switchTheme } from './theme.ts';
import { Whale } from './whale.tsx';

const loadTrain = () => import('../train/train-page.tsx').then(({ TrainPage }) => TrainPage);

const names: Readonly<Record<PageName, string>> = { chat: 'Chat', train: 'Train' };

function Pages() {
  return (
    <nav class="shell-pages" aria-label="Pages">
      {(Object.keys(names) as PageName[]).map((page) => (
        <a key={page} href={toHash(page)} aria-current={route.value.page === page ? 'page' : undefined}>
          {names[page]}
        </a>
      ))}
    </nav>
  );
}

function ThemeSwitch() {
  const isDark = currentTheme() === 'dark';
  return (
    <button
      type="button"
      class="button icon quiet"
      onClick={switchTheme}
      aria-label={`Use ${isDark ? 'light' : 'dark'} colours`}
    >
      <svg viewBox="0 0 20 20" aria-hidden="true">
        {isDark ? (
          <path d="M10 6.2a3.8 3.8 0 1 0 0 7.6 3.8 3.8 0 0 0 0-7.6ZM10 1.5v2M10 16.5v2M1.5 10h2M16.5 10h2M4 4l1.4 1.4M14.6 14.6 16 16M4 16l1.4-1.4M14.6 5.4 16 4" />
        ) : (
          <path d="M16.8 12.2A7.2 7.2 0 0 1 7.8 3.2a7.2 7.2 0 1 0 9 9Z" />
        )}
      </svg>
    </button>
  );
}

export function Shell() {
  const { page } = route.value;
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to the page
      </button>
      <header class="shell-head">
        <a class="shell-mark" href={toHash('chat')}>
          <Whale />
          minke
        </a>
        <Pages />
        <ThemeSwitch />
      </header>
      <main id="main" class="shell-main" tabIndex={-1}>
        {page === 'chat' ? <ChatPage /> : <LazyPage name="Train" load={loadTrain} />}
      </main>
    </div>
  );
}
