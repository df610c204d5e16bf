// One place for what every test file shares. Unhandled rejections must fail the run, not pass unseen.
process.on('unhandledRejection', (reason) => {
  throw reason instanceof Error ? reason : new Error(String(reason));
});
