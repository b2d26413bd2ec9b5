// The words of the agent's events that a chaos run listens for in its log.

export const SET_ASIDE = 'a spool file is broken and was renamed';
export const DROPPED = 'a spooled segment is broken and was dropped';
/** Below the floor of free space, and without a byte to write. */
export const FULL: readonly string[] = ['the spool is full;', 'the spool cannot be written'];
