// The frame of every page: logo, navigation, and the switch between light and dark.
import { useSignalEffect } from '@preact/signals';
import './shell.css';
import { ChatPage } from '../chat/chat-page.tsx';
import { openConversation } from '../chat/conversations.ts';
import { IconButton } from './icon.tsx';
import { LazyPage } from './lazy.tsx';
import { type PageName, route, startId, toHash } from './route.ts';
import { currentTheme, switchTheme } from './theme.ts';
import { Whale } from './whale.tsx';

const loadTrain = () => import('../train/train-page.tsx').then(({ TrainPage }) => TrainPage);

const loadPlan = () => import('../plan/plan-page.tsx').then(({ PlanPage }) => PlanPage);

const names: Readonly<Record<PageName, string>> = { chat: 'Chat', train: 'Train', plan: 'Plan' };

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

/** Says in the title of the window where one is; tabs, bookmarks and the history show it. */
function useTitle(): void {
  useSignalEffect(() => {
    const { page, id } = route.value;
    const run = page === 'train' ? id : null;
    const open = page === 'chat' ? openConversation.value?.title : run === startId ? 'Start a run' : run;
    document.title = [...(open ? [open] : []), names[page], 'minke'].join(' · ');
  });
}

export function Shell() {
  const { page } = route.value;
  useTitle();
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
        {page === 'chat' && <ChatPage />}
        {page === 'train' && <LazyPage key="train" name="Train" load={loadTrain} />}
        {page === 'plan' && <LazyPage key="plan" name="Plan" load={loadPlan} />}
      </main>
    </div>
  );
}
