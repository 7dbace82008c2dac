// The app in the browser: one page of two rooms, chat and train. Served by src/server from dist/web; scripts/build-web.mjs
// builds it. It knows the server by its protocol alone: types of src/server/protocol*.ts, nothing that runs.
import { render } from 'preact';
import './style/tokens.css';
import './style/base.css';
import './style/controls.css';
import { Shell } from './shell/shell.tsx';
import { applyTheme } from './shell/theme.ts';

applyTheme();
render(<Shell />, document.getElementById('app') as HTMLElement);
