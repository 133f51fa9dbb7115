/** What the page of pairs does; `PAGE` is defined before it. Answers are kept on the device until they are saved. */
export const RATING_SCRIPT = `
const $=(id)=>document.getElementById(id);
const asked=Object.keys(PAGE.questions);
const key='plein-air-votes-'+PAGE.sheetSha256;
let state={rater:'',answers:{}};
try{state=JSON.parse(localStorage.getItem(key))||state}catch{}
const keep=()=>{try{localStorage.setItem(key,JSON.stringify(state))}catch{}};
const answersOf=(pair)=>state.answers[pair.id]||{};
const place=()=>{
  for(let p=0;p<PAGE.pairs.length;p++)for(let q=0;q<asked.length;q++)
    if(!(asked[q] in answersOf(PAGE.pairs[p])))return {p,q};
  return null;
};
let preloaded=new Image();
function show(){
  const now=place();
  $('start').hidden=true;$('rate').hidden=now===null;$('done').hidden=now!==null;
  if(now===null)return;
  const pair=PAGE.pairs[now.p];
  if($('left').getAttribute('src')!==pair.left){$('left').src=pair.left;$('right').src=pair.right}
  $('progress').textContent='Pair '+(now.p+1)+' of '+PAGE.pairs.length+', question '+(now.q+1)+' of '+asked.length;
  $('prompt').textContent='Asked for: '+pair.prompt;
  $('question').textContent=PAGE.questions[asked[now.q]]+(asked[now.q]==='style'?' ('+PAGE.style+')':'');
  const next=PAGE.pairs[now.p+1];
  if(next){preloaded=new Image();preloaded.src=next.left;new Image().src=next.right}
}
function answer(value){
  const now=place();
  if(now===null||$('rate').hidden)return;
  const pair=PAGE.pairs[now.p];
  state.answers[pair.id]={...answersOf(pair),[asked[now.q]]:value};
  keep();show();
}
function back(){
  const now=place()||{p:PAGE.pairs.length,q:0};
  const at=now.p*asked.length+now.q-1;
  if(at<0)return;
  const pair=PAGE.pairs[Math.floor(at/asked.length)];
  delete state.answers[pair.id][asked[at%asked.length]];
  keep();show();
}
function save(){
  const votes=PAGE.pairs.filter((pair)=>asked.every((q)=>q in answersOf(pair))).map((pair)=>({pair:pair.id,...answersOf(pair)}));
  if(votes.length===0){$('progress').textContent='Answer one pair before you save.';return}
  const text=JSON.stringify({format:1,sheetSha256:PAGE.sheetSha256,rater:state.rater,votes},null,1);
  const link=document.createElement('a');
  link.href=URL.createObjectURL(new Blob([text],{type:'application/json'}));
  link.download='votes-'+(state.rater.toLowerCase().replace(/[^a-z0-9]+/g,'-')||'rater')+'.json';
  link.click();
}
$('who').addEventListener('submit',(event)=>{event.preventDefault();state.rater=$('rater').value.trim();if(state.rater){keep();show()}});
for(const button of document.querySelectorAll('[data-answer]'))button.addEventListener('click',()=>answer(button.dataset.answer));
$('left').addEventListener('click',()=>answer('left'));
$('right').addEventListener('click',()=>answer('right'));
$('back').addEventListener('click',back);
$('save').addEventListener('click',save);
$('save-all').addEventListener('click',save);
document.addEventListener('keydown',(event)=>{
  if($('rate').hidden&&$('done').hidden)return;
  const value={ArrowLeft:'left',ArrowDown:'same',ArrowRight:'right'}[event.key];
  if(value){event.preventDefault();answer(value)}
  else if(event.key==='Backspace'){event.preventDefault();back()}
});
$('rater').value=state.rater;
if(state.rater)show();
`;
