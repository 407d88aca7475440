/** Entry of the label editor's page. The editor is not part of this version, and the page says so. */
document.body.textContent = 'The label editor is not part of this version: label folders with the command line.';
