// Readers of a lake that are not ours, in a Python venv: pyarrow, and awswrangler, which asks Glue first.
// Plain JavaScript, as the other venvs.
import { ensureVenv, venvProgram } from './python-venv.mjs';

const REQUIREMENTS = ['awswrangler==3.17.1', 'pyarrow==25.0.1'];

/** Python with both, once `ensureLakeReaders` has run. */
export const lakeReadersPython = () => venvProgram(REQUIREMENTS, 'python');

/** Makes the venv once. */
export const ensureLakeReaders = () => ensureVenv(REQUIREMENTS);
