import { render } from 'preact';
import './styles/base.css';
import './styles/shell.css';
import './styles/devices.css';
import './styles/device.css';
import './styles/broker.css';
import 'uplot/dist/uPlot.min.css';
import { store } from './store';
import { applyTheme } from './theme';
import { App } from './ui/app';
import { loadPlot } from './ui/plot';

applyTheme();
store.start();
const root = document.getElementById('app');
if (root) render(<App />, root);
/* Ready before the first device is opened. */
void loadPlot();
