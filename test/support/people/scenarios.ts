import { closesDeleted, demotesEditor } from './rights-changes.ts';
import { endsSessions } from './sessions.ts';
import { comesBack, meet, refusesViewer, removesEditor, saves } from './sharing.ts';
import type { PeopleStage } from './stage.ts';

/** What has to work from the sign-in on, on embedded and on a cluster with two gateways. Tokens: tokens.ts. */
export const boardScenarios: Record<string, (stage: PeopleStage) => Promise<void>> = {
  'who signs in makes a workspace and a board, edits it, and it is saved': saves,
  'who is invited signs in and accepts: both edit, and each sees the other come, point and go': meet,
  'a viewer’s edit is refused, she is told, and nothing of it is in the log': refusesViewer,
  'an editor who is removed while she types can write nowhere within a second; what was acked is there':
    removesEditor,
  'an editor who is demoted while she types is told within a second, reads on, and brings nothing more in':
    demotesEditor,
  'a board that is deleted is closed to all its people within a second, and open again when it is restored':
    closesDeleted,
  'who is refused has the board in her open page when she is let in, and again after she was removed':
    comesBack,
  'a session that is ended or signed out of is closed everywhere at once, and its token opens nothing any more':
    endsSessions,
};
