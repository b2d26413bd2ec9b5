// Asks for a password on the terminal without showing it.

/** Undefined where nobody can be asked. Ctrl-C ends the process, as it does elsewhere. */
export function askPassword(question: string): Promise<string | undefined> {
  const { stdin, stdout } = process;
  if (!stdin.isTTY || !stdout.isTTY) return Promise.resolve(undefined);
  stdout.write(question);
  stdin.setRawMode(true);
  stdin.resume();
  return new Promise((resolve) => {
    let password = '';
    const end = () => {
      stdin.setRawMode(false);
      stdin.pause();
      stdin.off('data', take);
      stdout.write('\n');
    };
    const take = (bytes: Buffer) => {
      for (const character of bytes.toString()) {
        if (character === '\r' || character === '\n') {
          end();
          resolve(password);
          return;
        }
        if (character === '\u0003') {
          end();
          process.exit(130);
        }
        password = character === '\u007f' ? password.slice(0, -1) : password + character;
      }
    };
    stdin.on('data', take);
  });
}
