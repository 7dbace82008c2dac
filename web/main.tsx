// The browser app: chat and train. scripts/build-web.mjs builds it into dist/web, from where src/server serves it.
//
// It shares only types with the server: those of src/server/protocol*.ts and src/runs/protocol.ts.
import { render } from 'preact';
import './style/tokens.css';
import './style/base.css';
import './style/controls.css';
import { Shell } from './shell/shell.tsx';
import { applyTheme } from './shell/theme.ts';

applyTheme();
render(<Shell />, document.getElementById('app') as HTMLElement);
