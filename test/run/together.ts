// Several files of unit tests in one process, one after the other: for files whose tests take less time than
// a process does to start. A file that cannot be loaded is a failed test of its name.
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { messageOf } from '@sluice/shared/errors.ts';

for (const file of process.argv.slice(2)) {
  try {
    await import(pathToFileURL(file).href);
  } catch (error) {
    test(file, () => {
      throw error instanceof Error ? error : new Error(messageOf(error));
    });
  }
}
