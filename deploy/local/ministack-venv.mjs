// The emulated S3 and Glue: MiniStack in a Python venv. Plain JavaScript: the bootstrap calls it.
import { ensureVenv, venvProgram } from './python-venv.mjs';

const REQUIREMENTS = ['ministack==1.5.33'];

/** The program, once `ensureMinistack` has run. */
export const ministackProgram = () => venvProgram(REQUIREMENTS, 'ministack');

/** Makes the venv once. */
export const ensureMinistack = () => ensureVenv(REQUIREMENTS);
