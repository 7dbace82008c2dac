// The frame of every page: logo, navigation, and the switch between light and dark.
import './shell.css';
import { ChatPage } from '../chat/chat-page.tsx';
import { IconButton } from './icon.tsx';
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
  const label = `Use ${isDark ? 'light' : 'dark'} theme`;
  return <IconButton icon={isDark ? 'sun' : 'moon'} label={label} look="quiet" onClick={switchTheme} />;
}

export function Shell() {
  const { page } = route.value;
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to content
      </button>
      <header class="shell-head">
        <a class="shell-logo" href={toHash('chat')}>
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
