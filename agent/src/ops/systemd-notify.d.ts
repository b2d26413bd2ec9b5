// The package carries no types.
declare module 'systemd-notify' {
  // biome-ignore lint/style/noDefaultExport: it is what the package exports
  export default function notify(options: {
    pid?: number;
    ready?: boolean;
    status?: string;
  }): Promise<unknown>;
}
